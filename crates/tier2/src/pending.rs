//! Executors that are being optimized and compiled in the background: they exist, and rely on things, but are not attached yet.
//!
//! Tier 1 goes on meanwhile. Results are looked for whenever tier 1 counts down at a back-edge or a function's entry, and whenever an
//! executor is entered: [`poll`]. A place or an exit that waits for its executor is not recorded again; its counter is a short
//! one, so that a long loop gets its executor soon.
//!
//! Becoming invalid does not end the wait. The executor is kept until its result comes, which is then dropped: the code
//! has its addresses in it.

use crate::executor::Executor;
use crate::invalidate::invalidate;
use crate::jit::background::{self, Done};
use crate::jit::{self, symbols};
use crate::optimize::Job;
use crate::recording::{self, Origin};
use crate::{graph, stats};
use core::cell::UnsafeCell;
use hotspur_ir::{AbortReason, InvalidationReason};
use hotspur_recorder::Place;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

/// Executions of a place until it is looked whether its executor has come.
pub(crate) const PATIENCE: u16 = 32;

/// Executors that may wait at one time. A program that gets new code hot faster than the compiler works has to wait with recording:
/// each that waits keeps its code alive.
const MOST: usize = 128;

/// Whether so many wait that nothing more is to be recorded now.
pub(crate) fn is_full() -> bool {
    len() >= MOST
}

struct Pending {
    executor: Rc<Executor>,
    origin: Origin,
    since: Instant,
}

struct Global(UnsafeCell<BTreeMap<u64, Pending>>);
// SAFETY: only touched with the GIL held, and no reference outlives the function that asked for it.
unsafe impl Sync for Global {}
static PENDING: Global = Global(UnsafeCell::new(BTreeMap::new()));

/// `f` must not come back here.
fn with<T>(f: impl FnOnce(&mut BTreeMap<u64, Pending>) -> T) -> T {
    // SAFETY: the GIL is held, and all callers are in this file, where nothing nests.
    f(unsafe { &mut *PENDING.0.get() })
}

/// How many executors wait for their code.
pub fn len() -> usize {
    with(|pending| pending.len())
}

/// Whether an executor for this place is on its way.
pub fn at_place(place: Place) -> bool {
    number_at_place(place).is_some()
}

fn number_at_place(place: Place) -> Option<u64> {
    with(|pending| {
        let mut all = pending.iter();
        all.find(|(_, p)| p.executor.is_valid() && p.origin.attaches_to(place)).map(|(&id, _)| id)
    })
}

fn number_at_exit(executor: &Executor, exit: usize) -> Option<u64> {
    with(|pending| pending.iter().find(|(_, p)| p.origin.parent() == Some((executor.id, exit))).map(|(&id, _)| id))
}

/// Whether an executor for this place is on its way. If so, it could have been used so many times since the last question: what is wanted
/// most comes first.
pub(crate) fn wanted_at_place(place: Place, times: u64) -> bool {
    wanted(number_at_place(place), times)
}

/// The same for an exit.
pub(crate) fn wanted_at_exit(executor: &Executor, exit: usize, times: u64) -> bool {
    wanted(number_at_exit(executor, exit), times)
}

fn wanted(id: Option<u64>, times: u64) -> bool {
    if let Some(id) = id {
        background::want(id, times);
    }
    id.is_some()
}

/// Has an executor optimized and machine code made for it; it will be attached where the recording began. Gives everything back if that is
/// not possible.
///
/// # Safety
/// GIL held, what the executor refers to is live.
pub(crate) unsafe fn submit(executor: Rc<Executor>, origin: Origin, job: Job) -> Result<u64, (Rc<Executor>, Origin)> {
    // SAFETY: as the caller promises.
    unsafe { poll() };
    let id = executor.id;
    // SAFETY: as the caller promises.
    let task = unsafe { jit::task(&executor, job) };
    if !task.is_some_and(|task| task.is_ok_and(|task| background::submit(id, task))) {
        return Err((executor, origin));
    }
    // SAFETY: the GIL is held, and the origin's code live.
    unsafe { origin.be_patient() };
    with(|pending| pending.insert(id, Pending { executor, origin, since: Instant::now() }));
    Ok(id)
}

/// Installs what has been finished. Runs no Python code.
///
/// # Safety
/// GIL held.
#[inline(always)]
pub(crate) unsafe fn poll() {
    if background::wants_attention() {
        // SAFETY: as the caller promises.
        unsafe { look() };
    }
}

#[cold]
unsafe fn look() {
    // SAFETY: as for `poll`.
    unsafe {
        if background::forked() {
            drop_all(InvalidationReason::Forked);
            symbols::forked();
            crate::trial::forked();
        }
        for Done { id, made } in background::take() {
            let Some(Pending { executor, origin, since }) = with(|pending| pending.remove(&id)) else { continue };
            let began = Instant::now();
            let made = if executor.is_valid() {
                made.and_then(|made| recording::equip(&executor, made))
            } else {
                Err(AbortReason::DependencyChanged)
            };
            match &made {
                Err(reason) => invalidate(&executor, recording::turned_away(*reason)),
                Ok(()) => stats::count(|s| s.install_delay_nanoseconds += since.elapsed().as_nanos() as u64),
            }
            let _: Result<u64, AbortReason> =
                recording::conclude(id, made.map(|()| executor.clone()), &origin, began, None);
            graph::bury_executor(Some(executor));
        }
    }
}

/// Nothing that is on its way will come. What it was for may be recorded again.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn drop_all(reason: InvalidationReason) {
    for Pending { executor, .. } in with(core::mem::take).into_values() {
        // SAFETY: as the caller promises.
        unsafe {
            stats::count(|s| s.traces_aborted[AbortReason::ShuttingDown as usize] += 1);
            invalidate(&executor, reason);
        }
        graph::bury_executor(Some(executor));
    }
}
