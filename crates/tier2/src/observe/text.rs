//! Superblocks as text, with comments for people: what constants are, and which lines of Python ops stand for. The parser
//! reads it.

use super::names;
use core::fmt::Write;
use hotspur_ir::{CodeRef, Superblock};
use hotspur_recorder::Trace;
use hotspur_tier1::code::{self, CodeState};
use hotspur_tier1::table::INFO;
use std::collections::HashMap;

/// Lines of source files, as far as the files can be read.
#[derive(Default)]
pub(super) struct Sources(HashMap<String, Vec<String>>);

impl Sources {
    fn line(&mut self, file: &str, line: u32) -> Option<&str> {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect();
        let lines = self.0.entry(file.to_owned()).or_insert_with(|| read(file));
        lines.get(line.checked_sub(1)? as usize).map(|text| text.trim())
    }

    /// An instruction of Python's: its line, its name, and the function.
    ///
    /// # Safety
    /// GIL held, the trace's code live.
    pub(super) unsafe fn describe(&mut self, trace: &Trace, (code, pc): (CodeRef, u32)) -> String {
        let code = trace.codes[code.as_u32() as usize];
        // SAFETY: as the caller promises; code of a trace was decoded.
        unsafe {
            let word = CodeState::words(code::existing_state_of(code)).add(pc as usize);
            let instruction = INFO[usize::from(INFO[usize::from((*word).op)].base)].name;
            let function = names::function_name(code);
            let mut text = format!("{function} @ {pc} {instruction}");
            if let Some(line) = names::line(code, pc as usize) {
                let source = self.line(&names::file_name(code), line).unwrap_or_default();
                let _ = write!(text, ", line {line}: {source}");
            }
            text
        }
    }
}

/// The instruction that each op belongs to, by number of the op: where the innermost frame of its snapshot is. An op without a snapshot
/// is taken for one of the same instruction as the op before; so the first ones of an instruction may be given to the one before.
pub(super) fn instructions(sb: &Superblock) -> Vec<(CodeRef, u32)> {
    let mut now = (sb.code, sb.pc);
    let mut place = |inst: &hotspur_ir::Inst| {
        if let Some(frame) = inst.snapshot.and_then(|snapshot| sb.snapshots[snapshot].frames.last()) {
            now = (frame.code, frame.pc);
        }
        now
    };
    sb.insts().map(&mut place).collect()
}

/// The superblock of a trace, or what it was before it was optimized.
///
/// # Safety
/// GIL held, what the trace depends on is live.
pub(super) unsafe fn superblock(trace: &Trace, sb: &Superblock, sources: &mut Sources) -> String {
    let mut out = String::new();
    for (i, &code) in trace.codes.iter().enumerate() {
        // SAFETY: as the caller promises.
        let (name, file) = unsafe { (names::function_name(code), names::file_name(code)) };
        let _ = writeln!(out, "; code{i} = {name}, {file}");
    }
    for (i, object) in trace.objects.iter().enumerate() {
        // SAFETY: as the caller promises.
        let _ = writeln!(out, "; obj{i} = {}", unsafe { names::constant(trace, object) }.replace(['\n', '\r'], " "));
    }
    let instructions = instructions(sb);
    let (mut op, mut last) = (0, None);
    let mut is_done = false;
    for line in sb.to_string().lines() {
        is_done |= line == "}";
        if !is_done && line.starts_with("    ") {
            let now = instructions[op];
            op += 1;
            if last != Some(now) {
                last = Some(now);
                // SAFETY: as the caller promises.
                let _ = writeln!(out, "    ; {}", unsafe { sources.describe(trace, now) });
            }
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}
