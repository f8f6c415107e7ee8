//! Shows a code object's stream as it stands: which specializations its instructions have become.

use crate::code::{self, CodeState};
use crate::table::{self, INFO};
use hotspur_cpython_sys::*;

/// One instruction of a stream.
#[derive(Debug, Clone)]
pub struct Line {
    /// Index of its word, which is also that of CPython's code unit.
    pub index: usize,
    /// Name of what would be executed.
    pub name: &'static str,
    /// Name of CPython's instruction.
    pub base: &'static str,
    /// Whole argument.
    pub oparg: u32,
    /// Adaptive counter (see [`crate`]'s counters: the upper 12 bits count down, the lower 4 are the backoff exponent).
    pub counter: u16,
    /// Contents of its cache words.
    pub caches: Vec<u64>,
}

/// The instructions of a code object that tier 1 has executed; `None` if it has not.
///
/// # Safety
/// GIL held, tier 1 initialized, `code` a live code object.
pub unsafe fn disassemble(code: *mut PyCodeObject) -> Option<Vec<Line>> {
    let state = code_extra(code, crate::context::extra_index()).cast::<CodeState>();
    if state.is_null() {
        return None;
    }
    let mut lines = Vec::new();
    let mut index = 0;
    while index < (*state).len as usize {
        let word: *mut code::Word = CodeState::words(state).add(index);
        let info = INFO[usize::from((*word).op)];
        let caches = (1..=usize::from(info.caches)).map(|i| *code::Word::cache(word.add(i))).collect();
        lines.push(Line {
            index,
            name: info.name,
            base: INFO[usize::from(info.base)].name,
            oparg: (*word).oparg,
            counter: (*word).counter,
            caches,
        });
        index += usize::from(table::LENGTH[usize::from((*word).op)]);
    }
    Some(lines)
}
