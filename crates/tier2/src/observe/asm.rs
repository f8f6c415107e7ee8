//! Machine code as text.

use core::fmt::Write;
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, SymbolResolver, SymbolResult};
use std::collections::HashMap;

/// What addresses in code mean.
pub(super) struct Names {
    /// Where the code is, and how long it is.
    pub(super) address: u64,
    pub(super) length: u64,
    /// Others.
    pub(super) others: HashMap<u64, String>,
}

impl SymbolResolver for Names {
    fn symbol(&mut self, _: &Instruction, _: u32, _: Option<u32>, address: u64, _: u32) -> Option<SymbolResult<'_>> {
        let offset = address.wrapping_sub(self.address);
        if offset < self.length {
            return Some(SymbolResult::with_string(address, format!("{offset:04x}")));
        }
        self.others.get(&address).map(|name| SymbolResult::with_str(address, name))
    }
}

/// Disassembles code, with notes in front of what is at their offsets. Instructions have their offsets, which jumps name. From `end` on
/// there are constants.
pub(super) fn disassemble(code: &[u8], end: u32, names: Names, notes: &[(u32, String)]) -> String {
    let (code, data) = code.split_at(end as usize);
    let mut decoder = Decoder::with_ip(64, code, names.address, DecoderOptions::NONE);
    let start = names.address;
    let constants = constants(data, end as usize, &names);
    let mut formatter = IntelFormatter::with_options(Some(Box::new(names)), None);
    formatter.options_mut().set_first_operand_char_index(8);
    formatter.options_mut().set_rip_relative_addresses(false);
    let mut notes = notes.iter().peekable();
    let (mut out, mut text) = (String::new(), String::new());
    for instruction in &mut decoder {
        let offset = instruction.ip() - start;
        while let Some((_, note)) = notes.next_if(|(at, _)| u64::from(*at) <= offset) {
            let _ = writeln!(out, "{note}");
        }
        text.clear();
        formatter.format(&instruction, &mut text);
        let _ = writeln!(out, "        {offset:04x}  {text}");
    }
    out + &constants
}

/// The words after the code.
fn constants(data: &[u8], offset: usize, names: &Names) -> String {
    let mut out = String::new();
    let padding = (offset.next_multiple_of(8) - offset).min(data.len());
    for (i, word) in data[padding..].chunks_exact(8).enumerate() {
        let word = u64::from_le_bytes(core::array::from_fn(|i| word[i]));
        let meaning = names.others.get(&word).cloned().unwrap_or_else(|| format!("{word:#x}"));
        let _ = writeln!(out, "        {:04x}  word    {meaning}", offset + padding + 8 * i);
    }
    out
}
