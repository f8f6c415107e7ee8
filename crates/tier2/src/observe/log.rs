//! The log: a line for each event, with the seconds since the beginning and the number of the trace, which is that of the executor that it
//! becomes.
//!
//! ```text
//! hotspur 0.015310 #1 started: back edge to bench.py:9 total @ 14
//! ```

use super::names::Spot;
use super::{logs, with};
use crate::executor::Executor;
use crate::graph;
use crate::recording::Origin;
use core::fmt::Display;
use hotspur_codegen::Code;
use hotspur_cpython_sys::PyCodeObject;
use hotspur_ir::{AbortReason, InvalidationReason, Op};
use hotspur_recorder::Place;
use hotspur_tier1::code::CodeState;
use hotspur_tier1::table::{INFO, op};

fn line(text: &dyn Display) {
    with(|observer| {
        let seconds = observer.since.elapsed().as_secs_f64();
        if let Some(log) = &mut observer.log {
            log.write(&format!("hotspur {seconds:.6} {text}\n"));
        }
    });
}

/// Where an executor begins.
///
/// # Safety
/// GIL held, the executor valid or just becoming invalid, so that its code is there.
unsafe fn beginning(executor: &Executor) -> Spot {
    let sb = &executor.trace().superblock;
    let code: *mut PyCodeObject = executor.trace().codes[sb.code.as_u32() as usize];
    // SAFETY: as the caller promises.
    unsafe { Spot::of(code, sb.pc as usize) }
}

/// A recording begins.
///
/// # Safety
/// GIL held.
pub unsafe fn started(id: u64, origin: &Origin, inherits: bool) {
    if !logs() {
        return;
    }
    let place = origin.place();
    // SAFETY: the origin keeps its code alive.
    unsafe {
        let spot = Spot::at(place);
        let is_entry = INFO[usize::from((*CodeState::words(place.code).add(place.position)).op)].base == op::RESUME;
        match origin.exit() {
            Some((executor, exit)) => {
                let (parent, reason) = (executor.id, executor.exits()[exit].reason.name());
                let bridge = if inherits { ", with its values" } else { "" };
                line(&format_args!("#{id} started: exit {exit} of #{parent} ({reason}){bridge} at {spot}"));
            }
            None if is_entry => line(&format_args!("#{id} started: entry of {spot}")),
            None => line(&format_args!("#{id} started: back edge to {spot}")),
        }
    }
}

/// A recording has become an executor, which has no machine code yet.
///
/// # Safety
/// GIL held.
pub(super) unsafe fn finished(executor: &Executor) {
    if !logs() {
        return;
    }
    let id = executor.id;
    let sb = &executor.trace().superblock;
    let count = |sb: &hotspur_ir::Superblock| sb.insts().count();
    let recorded = executor.recorded().map_or_else(|| count(sb), count);
    let optimized = if executor.recorded().is_some() { format!(", {} optimized", count(sb)) } else { String::new() };
    let end = match sb.terminator().map(|inst| &inst.op) {
        Some(Op::JumpLoop { .. }) => "closes its loop".to_owned(),
        Some(Op::Link { executor: next, .. }) => {
            let place = executor.trace().executors[next.as_u32() as usize];
            // SAFETY: the code of places that are linked to is live.
            let (target, spot) = unsafe { (graph::at(place.code, place.position), Spot::at(place)) };
            let number = target.as_ref().map_or_else(|| "an executor that is coming".into(), |t| format!("#{}", t.id));
            graph::bury_executor(target);
            format!("links to {number} at {spot}")
        }
        Some(op) => format!("ends in {}", op.info().name),
        None => "is empty".to_owned(),
    };
    let exits = executor.exits().len();
    line(&format_args!("#{id} recorded: {recorded} micro-ops{optimized}, {exits} exits, {end}"));
}

/// There is machine code for an executor.
pub(super) fn compiled(executor: &Executor, code: &Code) {
    if logs() {
        let (id, size, time) = (executor.id, code.sizes.total, code.time.as_micros());
        line(&format_args!("#{id} compiled: {size} bytes in {time} us"));
    }
}

/// An executor was attached where its recording had begun.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn attached(executor: &Executor, exit: Option<(u64, usize)>) {
    if !logs() {
        return;
    }
    // SAFETY: as the caller promises.
    let spot = unsafe { beginning(executor) };
    match exit {
        Some((parent, exit)) => line(&format_args!("#{} linked: exit {exit} of #{parent} leads here", executor.id)),
        None => line(&format_args!("#{} attached: {spot}", executor.id)),
    }
}

/// An exit has machine code that leads to another executor, or to tier 1.
pub(crate) fn passage(executor: &Executor, exit: usize, target: Option<&Executor>) {
    if !logs() {
        return;
    }
    if let Some(target) = target {
        line(&format_args!("#{} linked: exit {exit} of #{} leads here by a passage", target.id, executor.id));
    } else {
        line(&format_args!("#{} stays cold: exit {exit} leads to tier 1 by a passage", executor.id));
    }
}

/// A recording, or what should have come of it, was given up.
///
/// # Safety
/// GIL held; `at`, where the recording was given up, is in live code.
pub(crate) unsafe fn aborted(id: u64, reason: AbortReason, at: Option<Place>) {
    if !logs() {
        return;
    }
    // SAFETY: as the caller promises.
    let spot = at.map_or_else(String::new, |place| format!(" at {}", unsafe { Spot::at(place) }));
    line(&format_args!("#{id} aborted: {}{spot}: {}", reason.name(), reason.message()));
}

/// A place is not recorded from any more.
///
/// # Safety
/// GIL held, the place is in live code.
pub(crate) unsafe fn given_up(place: Place) {
    if logs() {
        // SAFETY: as the caller promises.
        line(&format_args!("given up: {}", unsafe { Spot::at(place) }));
    }
}

/// An executor becomes invalid.
///
/// # Safety
/// GIL held, the executor has been valid until now.
pub(crate) unsafe fn invalidated(executor: &Executor, reason: InvalidationReason) {
    if !logs() {
        return;
    }
    // SAFETY: as the caller promises.
    let spot = unsafe { beginning(executor) };
    let word = match reason {
        InvalidationReason::Losing => "retired",
        InvalidationReason::Cold => "swept",
        _ => "invalidated",
    };
    let (id, runs) = (executor.id, executor.runs());
    line(&format_args!("#{id} {word}: {}, after {runs} runs, {spot}: {}", reason.name(), reason.message()));
}

/// A trial has ended: how many pairs of slices were compared, how many times as fast the program was with executors, and whether they go on.
pub(crate) fn trial(pairs: usize, speed: f64, won: bool) {
    if logs() {
        let then = if won { "they run" } else { "they rest" };
        line(&format_args!("trial: with executors {speed:.2} times as fast in {pairs} pairs of slices; {then}"));
    }
}

/// Cold executors were removed.
pub(crate) fn swept(removed: usize, of: usize) {
    if logs() {
        line(&format_args!("sweep: {removed} of {of} executors removed"));
    }
}
