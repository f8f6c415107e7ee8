//! What recordings have learnt before, in this process: a name whose value has turned out to change is not taken for granted again, or a
//! program that assigns it now and then would have its traces thrown away each time; a function that has died is made again each time that the
//! code around it runs; so is code that is compiled to be run a few times, by `eval`; an instruction that has raised is better left to tier 1, which finds the handler; and so is one that has met
//! objects of more classes than there can be alternatives for.
//!
//! Things are known by their addresses alone: others that get them later at worst are treated with more caution. Functions and modules come
//! and go, so what was not asked for lately is forgotten.

use crate::trace::Place;
use core::cell::UnsafeCell;
use core::hash::Hash;
use hotspur_cpython_sys::PyCodeObject;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_tier1::code::CodeState;
use std::collections::HashMap;

/// Entries of a generation.
const LIMIT: usize = 4096;

/// What was known lately: when the young generation is full, it becomes the old one, which is forgotten.
struct Lately<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V: Copy> Lately<K, V> {
    fn new() -> Lately<K, V> {
        Lately { young: HashMap::new(), old: HashMap::new() }
    }

    fn get(&mut self, key: K) -> Option<V> {
        if let Some(&value) = self.young.get(&key) {
            return Some(value);
        }
        let value = *self.old.get(&key)?;
        self.set(key, value);
        Some(value)
    }

    fn set(&mut self, key: K, value: V) {
        if self.young.len() >= LIMIT {
            // The table of the other one is used again.
            core::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, value);
    }
}

/// Where traces have gone on when a function returned.
#[derive(Clone, Copy)]
enum Caller {
    /// In this code object, the last time.
    Code(usize),
    /// In code that comes and goes.
    Passes,
}

/// What was known of a name in a dictionary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It had this value whenever it was looked at.
    Value(usize),
    /// It had different ones.
    Changes,
}

struct History {
    names: Lately<(usize, usize), Known>,
    raised: Lately<(usize, u32), ()>,
    /// For how many kinds of operands alternatives were recorded, by instruction.
    kinds: Lately<(usize, u32), u32>,
    /// Code objects of functions that have died although traces relied on them.
    dead: Lately<usize, ()>,
    /// Code objects that have died although traces that began elsewhere relied on them.
    freed: Lately<usize, ()>,
    /// By the instruction that returns.
    callers: Lately<(usize, u32), Caller>,
}

struct Global(UnsafeCell<Option<History>>);
// SAFETY: only touched with the GIL held, by functions that call nothing that could come back here.
unsafe impl Sync for Global {}
static HISTORY: Global = Global(UnsafeCell::new(None));

/// The GIL is held.
unsafe fn history<'a>() -> &'a mut History {
    (*HISTORY.0.get()).get_or_insert_with(|| History {
        names: Lately::new(),
        raised: Lately::new(),
        kinds: Lately::new(),
        dead: Lately::new(),
        freed: Lately::new(),
        callers: Lately::new(),
    })
}

/// Whether the value of a name in a dictionary has been the same as often as this was asked.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn stays(dict: *mut PyObject, name: *mut PyObject, value: *mut PyObject) -> bool {
    let (key, now) = ((dict as usize, name as usize), Known::Value(value as usize));
    let names = &mut history().names;
    match names.get(key) {
        Some(known) if known == now => true,
        Some(_) => {
            names.set(key, Known::Changes);
            false
        }
        None => {
            names.set(key, now);
            true
        }
    }
}

/// Notes that an instruction raised which was recorded as one that does not.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn note_raised(cs: *mut CodeState, pc: u32) {
    history().raised.set((cs as usize, pc), ());
}

/// Notes that an alternative is to be recorded because an instruction has met another kind of operand.
///
/// # Safety
/// GIL held.
pub unsafe fn note_kind(place: Place) {
    let key = (place.code as usize, place.position as u32);
    let known = history().kinds.get(key).unwrap_or(0);
    history().kinds.set(key, known + 1);
}

/// Whether there were more kinds than this, be they still there or not, so that an instruction is better left to tier 1, which does not care.
///
/// # Safety
/// GIL held.
pub unsafe fn has_more_kinds_than(most: u32, place: Place) -> bool {
    history().kinds.get((place.code as usize, place.position as u32)).is_some_and(|kinds| kinds > most)
}

/// Notes that a function with this code has died which executors relied on.
///
/// # Safety
/// GIL held.
pub unsafe fn note_function_died(code: *mut PyObject) {
    history().dead.set(code as usize, ());
}

/// Whether that was noted, so that functions with this code are expected to be made again and again.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn is_made_again(code: *mut PyObject) -> bool {
    history().dead.get(code as usize).is_some()
}

/// Notes that a code object goes which traces that began elsewhere relied on.
///
/// # Safety
/// GIL held.
pub unsafe fn note_code_freed(code: *mut PyCodeObject) {
    history().freed.set(code as usize, ());
}

/// Whether a trace may go on in the caller when this instruction returns: not if callers there were compiled to be run a few times, as what `eval` is
/// given; the trace would go with each of them.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn caller_stays(cs: *mut CodeState, pc: u32, caller: *mut PyCodeObject) -> bool {
    let (history, key) = (history(), (cs as usize, pc));
    let known = match history.callers.get(key) {
        Some(Caller::Code(before)) if history.freed.get(before).is_none() => Caller::Code(caller as usize),
        Some(_) => Caller::Passes,
        None => Caller::Code(caller as usize),
    };
    history.callers.set(key, known);
    matches!(known, Caller::Code(_))
}

/// Whether an instruction was noted to have raised.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn has_raised(cs: *mut CodeState, pc: u32) -> bool {
    history().raised.get((cs as usize, pc)).is_some()
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, Lately};

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut lately = Lately::new();
        lately.set(0, 'a');
        for i in 1..10 * LIMIT {
            lately.set(i, 'b');
            assert_eq!(lately.get(0), Some('a'));
        }
        assert_eq!(lately.get(1), None);
        assert_eq!(lately.get(10 * LIMIT - 1), Some('b'));
        assert!(lately.young.len() + lately.old.len() <= 2 * LIMIT);
    }
}
