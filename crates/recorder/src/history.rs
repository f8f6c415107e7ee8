//! What recordings have taken for granted before, in this process: a name whose value has turned out to change is not taken for
//! granted again, or a program that assigns it now and then would have its traces thrown away each time.

use core::cell::UnsafeCell;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_tier1::code::CodeState;
use std::collections::{HashMap, HashSet};

/// What was known of a name in a dictionary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It had this value whenever it was looked at.
    Value(usize),
    /// It had different ones.
    Changes,
}

struct Global(UnsafeCell<Option<HashMap<(usize, usize), Known>>>);
// SAFETY: only touched with the GIL held, by a function that calls nothing that could come back here.
unsafe impl Sync for Global {}
static HISTORY: Global = Global(UnsafeCell::new(None));

/// Names that are remembered at most. When there are more, all are forgotten.
const LIMIT: usize = 1 << 16;

/// Whether the value of a name in a dictionary has been the same as often as this was asked. Objects are known by their addresses
/// alone: others that get them later at worst count as a change.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn stays(dict: *mut PyObject, name: *mut PyObject, value: *mut PyObject) -> bool {
    let history = (*HISTORY.0.get()).get_or_insert_with(HashMap::new);
    if history.len() >= LIMIT {
        history.clear();
    }
    let known = history.entry((dict as usize, name as usize)).or_insert(Known::Value(value as usize));
    if *known != Known::Value(value as usize) {
        *known = Known::Changes;
    }
    *known != Known::Changes
}

struct Raised(UnsafeCell<Option<HashSet<(usize, u32)>>>);
// SAFETY: as above.
unsafe impl Sync for Raised {}
static RAISED: Raised = Raised(UnsafeCell::new(None));

/// Notes that an instruction raised which was recorded as one that does not. What raises is better left to tier 1, which finds the handler.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn note_raised(cs: *mut CodeState, pc: u32) {
    let raised = (*RAISED.0.get()).get_or_insert_with(HashSet::new);
    if raised.len() >= LIMIT {
        raised.clear();
    }
    raised.insert((cs as usize, pc));
}

/// Whether that was noted.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn has_raised(cs: *mut CodeState, pc: u32) -> bool {
    (*RAISED.0.get()).as_ref().is_some_and(|raised| raised.contains(&(cs as usize, pc)))
}
