//! The executors of the process: the table of all, places, what is to be freed.
//!
//! Everything is guarded by the GIL. No function here runs Python code except [`empty_graveyard`], and no reference to the
//! process-wide state outlives a function.
//!
//! # Places
//! An executor that begins where other code can find it is *attached* to its place: the slot of its first instruction in
//! [`CodeState::executors`] points to it. The words of the stream that lead there (the RESUME itself, or all back-edges whose
//! target it is) are rewritten to enter it. The table here owns the reference.

use crate::executor::Executor;
use crate::heat::Heat;
use crate::likeness::Gone;
use crate::losing::{self, Losses};
use crate::params::Parameter;
use crate::stats;
use crate::temperature;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use hotspur_cpython_sys::decref;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_recorder::Place;
use hotspur_tier1::code::{CodeState, Word};
use hotspur_tier1::table::{INFO, op};
use std::collections::{BTreeMap, HashMap};
use std::rc::{Rc, Weak};

#[derive(Default)]
struct Graph {
    next_id: u64,
    all: BTreeMap<u64, Weak<Executor>>,
    attached: HashMap<Place, Rc<Executor>>,
    dead_objects: Vec<*mut PyObject>,
    dead_executors: Vec<Rc<Executor>>,
    /// Dead ones that an activation runs still.
    dying: Vec<Rc<Executor>>,
    created_since_sweep: u32,
    /// Recordings for which there was no code memory, one after the other.
    turned_away: usize,
    /// Executors that are being recorded, by number, and whether the recording is lost.
    recordings: Vec<(u64, bool)>,
    /// What went wrong at places that tier 1 counts: by code, with which it goes, and by position.
    troubles: HashMap<*mut CodeState, HashMap<usize, Troubles>>,
    /// The same of code that is no more.
    gone: Gone,
}

/// What went wrong at a place.
#[derive(Default)]
struct Troubles {
    /// Recordings that failed.
    failures: u32,
    losses: Losses,
    heat: Heat,
}

impl Graph {
    /// What went wrong at a place, to add to it.
    fn troubles(&mut self, place: Place) -> &mut Troubles {
        self.troubles.entry(place.code).or_default().entry(place.position).or_default()
    }

    /// What went wrong at a place, if anything is known.
    fn known_troubles(&self, place: Place) -> Option<&Troubles> {
        self.troubles.get(&place.code)?.get(&place.position)
    }
}

struct Global(UnsafeCell<Option<Graph>>);
// SAFETY: only touched with the GIL held; see the module's documentation.
unsafe impl Sync for Global {}
static GRAPH: Global = Global(UnsafeCell::new(None));

/// Something was buried, or is dying: what [`is_quiet`] looks at. (Atomic for want of a simpler static; the GIL is held.)
static BURIED: AtomicBool = AtomicBool::new(false);

/// Gives access to the table; `f` must not call anything that asks for it as well.
fn with<T>(f: impl FnOnce(&mut Graph) -> T) -> T {
    // SAFETY: the GIL is held, and all callers are in this file, where nothing nests.
    f(unsafe { (*GRAPH.0.get()).get_or_insert_default() })
}

/// A number for a new executor, which is being recorded.
pub(crate) fn begin_recording() -> u64 {
    with(|g| {
        g.next_id += 1;
        g.recordings.push((g.next_id, false));
        g.next_id
    })
}

/// It is not being recorded any more.
pub(crate) fn end_recording(id: u64) {
    with(|g| g.recordings.retain(|&(i, _)| i != id));
}

/// Something that the executor would rely on has changed: if it is being recorded, the recording is lost.
pub(crate) fn lose_recording(id: u64) {
    with(|g| g.recordings.iter_mut().filter(|(i, _)| *i == id).for_each(|(_, lost)| *lost = true));
}

/// Whether that has happened.
pub(crate) fn is_lost(id: u64) -> bool {
    with(|g| g.recordings.contains(&(id, true)))
}

/// Enters a new executor in the table.
pub(crate) fn remember(executor: &Rc<Executor>) {
    with(|g| {
        g.all.insert(executor.id, Rc::downgrade(executor));
        g.created_since_sweep += 1;
    });
    // SAFETY: the GIL is held.
    unsafe { stats::count(|s| s.executors_created += 1) };
}

/// An executor is being freed.
pub(crate) fn forget(id: u64) {
    with(|g| g.all.remove(&id));
    // SAFETY: the GIL is held.
    unsafe { stats::count(|s| s.executors_freed += 1) };
}

/// The executor with this number.
pub fn find(id: u64) -> Option<Rc<Executor>> {
    with(|g| g.all.get(&id).and_then(Weak::upgrade))
}

/// All executors, in the order in which they were made.
pub fn all() -> Vec<Rc<Executor>> {
    with(|g| g.all.values().filter_map(Weak::upgrade).collect())
}

/// Looks at every executor; `f` must not come back here.
pub(crate) fn each(mut f: impl FnMut(&Executor)) {
    with(|g| {
        for executor in g.all.values().filter_map(Weak::upgrade) {
            f(&executor);
            // It may be the last reference, and freeing comes back here.
            g.dead_executors.push(executor);
        }
    });
    BURIED.store(true, Ordering::Relaxed);
}

/// Lets machine code of valid executors go on, or stops it at its next check of validity.
pub(crate) fn set_going(going: bool) {
    each(|executor| executor.go.set(u8::from(going && executor.is_valid())));
}

/// Ticks that executors have executed since the last time, see [`hotspur_tier1::ticks`]. What those that have gone since have executed
/// is not among them.
pub(crate) fn new_ticks() -> u64 {
    let mut ticks = 0;
    each(|executor| ticks += executor.new_ticks());
    ticks
}

/// How many executors there are.
pub fn len() -> usize {
    with(|g| g.all.len())
}

/// Whether so many executors were made since the last sweep that it is time for another one; if so, counts anew.
pub(crate) fn sweep_is_due() -> bool {
    with(|g| {
        let due = g.created_since_sweep >= Parameter::SweepInterval.get();
        if due {
            g.created_since_sweep = 0;
        }
        due
    })
}

/// A recording is turned away, for want of code memory: whether that makes a sweep necessary; if so, counts anew.
pub(crate) fn turned_away_too_many() -> bool {
    with(|g| {
        g.turned_away += 1;
        let too_many = g.turned_away > g.all.len() / 2;
        if too_many {
            g.turned_away = 0;
        }
        too_many
    })
}

/// It was not turned away after all.
pub(crate) fn welcome() {
    with(|g| g.turned_away = g.turned_away.saturating_sub(1));
}

/// References to be dropped when it can be done.
pub(crate) fn bury(objects: Vec<*mut PyObject>) {
    if !objects.is_empty() {
        with(|g| g.dead_objects.extend(objects));
        BURIED.store(true, Ordering::Relaxed);
    }
}

/// An executor to be let go when it can be done.
pub(crate) fn bury_executor(executor: Option<Rc<Executor>>) {
    if let Some(executor) = executor {
        with(|g| g.dead_executors.push(executor));
        BURIED.store(true, Ordering::Relaxed);
    }
}

/// Lets go of a reference; buries it if it is the last one and the executor is still being run.
pub(crate) fn let_go(executor: Rc<Executor>) {
    if Rc::strong_count(&executor) == 1 && executor.is_active() {
        bury_executor(Some(executor));
    }
}

/// Has exits let go of executors that are invalid, so that those can be freed. (Otherwise exits do so when they are taken.)
pub(crate) fn let_invalid_targets_go() {
    for executor in all() {
        for exit in executor.exits() {
            bury_executor(exit.target());
        }
        bury_executor(Some(executor));
    }
}

/// Frees the executors that were buried, except those that are being run. What they held stays buried, so no code runs.
pub(crate) fn free_executors() {
    let mut active = Vec::new();
    // One at a time, and outside of the table: freeing an executor buries those that its exits lead to.
    while let Some(executor) = with(|g| g.dead_executors.pop()) {
        if Rc::strong_count(&executor) == 1 && executor.is_active() {
            active.push(executor);
        }
    }
    with(|g| g.dying.append(&mut active));
}

/// Frees what was buried; looks anew which of the dead executors are run still. Any code may run.
///
/// # Safety
/// GIL held, at a place where any code may run.
#[cold]
#[inline(never)]
pub unsafe fn empty_graveyard() {
    with(|g| {
        let mut dying = core::mem::take(&mut g.dying);
        g.dead_executors.append(&mut dying);
    });
    loop {
        free_executors();
        let Some(object) = with(|g| g.dead_objects.pop()) else { break };
        // SAFETY: the reference was held by an executor that is gone.
        unsafe { decref(object) };
    }
    let dying = with(|g| !g.dying.is_empty());
    BURIED.store(dying, Ordering::Relaxed);
}

/// Whether [`empty_graveyard`] has nothing to do. Costs a load.
#[inline(always)]
pub(crate) fn is_quiet() -> bool {
    !BURIED.load(Ordering::Relaxed)
}

/// The executor that is attached to a place, if there is one.
///
/// # Safety
/// GIL held, `cs` live, `position` in it.
#[inline]
pub unsafe fn at(cs: *mut CodeState, position: usize) -> Option<Rc<Executor>> {
    // SAFETY: as the caller promises; a slot is null or points to an executor that the table holds.
    unsafe {
        let slots = (*cs).executors;
        if slots.is_null() {
            return None;
        }
        let executor = (*slots.add(position)).cast::<Executor>();
        if executor.is_null() {
            return None;
        }
        Rc::increment_strong_count(executor);
        Some(Rc::from_raw(executor))
    }
}

/// The executor that is attached to a place, or null. It lives as long as it is attached, or is the one that an activation
/// runs.
///
/// # Safety
/// As for [`at`].
#[inline(always)]
pub(crate) unsafe fn peek(cs: *mut CodeState, position: usize) -> *const Executor {
    // SAFETY: as the caller promises.
    unsafe {
        let slots = (*cs).executors;
        if slots.is_null() { ptr::null() } else { (*slots.add(position)).cast::<Executor>().cast_const() }
    }
}

/// Whether a word leads to the instruction at `position`, as a back-edge or as that instruction.
unsafe fn leads_to(cs: *mut CodeState, index: usize, position: usize) -> bool {
    // SAFETY: the index is in the stream.
    let word = unsafe { *CodeState::words(cs).add(index) };
    match INFO[usize::from(word.op)].base {
        op::RESUME => index == position,
        op::JUMP_BACKWARD => index + 2 == position + word.oparg as usize,
        _ => false,
    }
}

/// The words that enter, or count for, an executor at a place.
///
/// # Safety
/// GIL held, the code live.
pub(crate) unsafe fn words_that_lead_to(place: Place) -> Vec<*mut Word> {
    let mut words = Vec::new();
    // SAFETY: as the caller promises; indices are in the stream.
    unsafe {
        let cs = place.code;
        let mut index = 0;
        while index < (*cs).len as usize {
            let word: *mut Word = CodeState::words(cs).add(index);
            if leads_to(cs, index, place.position) {
                words.push(word);
            }
            // Cache words hold anything.
            index += 1 + usize::from(INFO[usize::from((*word).op)].caches);
        }
    }
    words
}

/// Whether words lead to a place, so that an executor there is entered from tier 1: it is a loop's header or a function's beginning, where
/// traces end. At other places (where calls have returned to) traces go on: what is known would be forgotten there.
///
/// # Safety
/// GIL held, the code live.
pub unsafe fn is_entered(place: Place) -> bool {
    // SAFETY: as the caller promises.
    unsafe { !words_that_lead_to(place).is_empty() }
}

/// Attaches an executor to its place, instead of the one that may be there.
///
/// # Safety
/// GIL held, the code live.
pub(crate) unsafe fn attach(executor: &Rc<Executor>, place: Place) {
    // SAFETY: as the caller promises; indices are in the stream.
    unsafe {
        let cs = place.code;
        if let Some(old) = at(cs, place.position) {
            detach(&old);
            bury_executor(Some(old));
        }
        if (*cs).executors.is_null() {
            (*cs).executors =
                Box::into_raw(vec![ptr::null_mut::<c_void>(); (*cs).len as usize].into_boxed_slice()).cast();
        }
        *(*cs).executors.add(place.position) = Rc::as_ptr(executor).cast_mut().cast();
        executor.place.set(Some(place));
        for word in words_that_lead_to(place) {
            executor.words.borrow_mut().push((word.offset_from(CodeState::words(cs)) as usize, *word));
            let is_resume = INFO[usize::from((*word).op)].base == op::RESUME;
            (*word).op = if is_resume { op::RESUME_EXECUTOR } else { op::JUMP_BACKWARD_EXECUTOR };
        }
    }
    let old = with(|g| g.attached.insert(place, Rc::clone(executor)));
    bury_executor(old);
}

/// Takes an executor from its place; words that enter it are what they were, and count anew.
///
/// # Safety
/// GIL held, the code live.
pub(crate) unsafe fn detach(executor: &Executor) {
    let Some(place) = executor.place.take() else { return };
    // SAFETY: as the caller promises.
    unsafe {
        for (index, mut word) in executor.words.take() {
            let is_resume = INFO[usize::from(word.op)].base == op::RESUME;
            let (op, threshold) = if is_resume {
                (op::RESUME_COUNTED, Parameter::EntryThreshold)
            } else {
                (op::JUMP_BACKWARD_COUNTED, Parameter::BackEdgeThreshold)
            };
            // A word that did not count before was made to enter by hand, or had been given up.
            if word.op == op {
                word.counter = temperature::initial(threshold);
            }
            *CodeState::words(place.code).add(index) = word;
        }
        *(*place.code).executors.add(place.position) = ptr::null_mut();
    }
    let entry = with(|g| g.attached.remove(&place));
    bury_executor(entry);
}

/// A code object is going: its places are no more. The executors that were attached there.
///
/// # Safety
/// GIL held, called before the stream is freed.
pub(crate) unsafe fn code_freed(cs: *mut CodeState) -> Vec<Rc<Executor>> {
    // SAFETY: as the caller promises.
    unsafe {
        let slots = (*cs).executors;
        let executors: Vec<_> =
            if slots.is_null() { Vec::new() } else { (0..(*cs).len as usize).filter_map(|i| at(cs, i)).collect() };
        for executor in &executors {
            if let Some(place) = executor.place() {
                note_loss(place, losing::was_worth_it(executor));
            }
            detach(executor);
        }
        with(|g| {
            for (position, troubles) in g.troubles.remove(&cs).unwrap_or_default() {
                g.gone.note(Place { code: cs, position }, &troubles.losses);
            }
        });
        if slots.is_null() {
            return executors;
        }
        (*cs).executors = ptr::null_mut();
        drop(Box::from_raw(ptr::slice_from_raw_parts_mut(slots, (*cs).len as usize)));
        executors
    }
}

/// Notes that a recording from a place failed, and answers how many that were.
pub(crate) fn note_failure(place: Place) -> u32 {
    with(|g| {
        let failures = &mut g.troubles(place).failures;
        *failures += 1;
        *failures
    })
}

/// How many recordings from a place have failed.
pub(crate) fn failures(place: Place) -> u32 {
    with(|g| g.known_troubles(place).map_or(0, |t| t.failures))
}

/// The counter of a place has run down: whether that took too long to be worth anything.
pub(crate) fn is_lukewarm(place: Place, threshold: Parameter) -> bool {
    with(|g| !g.troubles(place).heat.is_fast(threshold))
}

/// An executor that was recorded from a place has become invalid.
pub(crate) fn note_loss(place: Place, was_worth_it: bool) {
    with(|g| g.troubles(place).losses.note(was_worth_it));
}

/// How many were no good in a row.
pub(crate) fn losses(place: Place) -> u32 {
    with(|g| g.known_troubles(place).map_or(0, |t| t.losses.in_a_row()))
}

/// The place has become hot: whether that is ignored this time, for what was recorded there did not last, or not in code that looked the same.
///
/// # Safety
/// GIL held, the place in live code.
pub(crate) unsafe fn has_to_wait(place: Place) -> bool {
    with(|g| {
        let Graph { troubles, gone, .. } = g;
        let troubles = troubles.entry(place.code).or_default().entry(place.position).or_insert_with(|| {
            // SAFETY: as the caller promises.
            let losses = unsafe { gone.expected(place) };
            Troubles { losses, ..Troubles::default() }
        });
        troubles.losses.wait()
    })
}
