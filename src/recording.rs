//! The recorder and tier 2, connected: tier 2 says where to record, the recorder follows execution, tier 2 gets the trace.

use hotspur_ir::AbortReason;
use hotspur_launcher::command_line::Engine;
use hotspur_recorder::Place;
use hotspur_recorder::{Limits, Recorder, Verdict};
use hotspur_tier1::code::CodeState;
use hotspur_tier1::context::Context;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::tier2::{Landing, start_tracing, stop_tracing};
use hotspur_tier2::params::Parameter;
use hotspur_tier2::recording::{Hooks, Origin, finish};
use hotspur_tier2::reliance::{Reliance, Unreliable};
use hotspur_tier2::{bridge, graph, observe, pending};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::cell::UnsafeCell;

const HOOKS: Hooks = Hooks { start: begin, record, code_freed, tools_active };

/// A recording in progress in a thread.
struct Recording {
    context: *mut Context,
    /// None while it looks at an instruction.
    recorder: Option<Box<Recorder>>,
    origin: Origin,
    reliance: Reliance,
    /// Why it is given up as soon as its thread goes on in tier 1.
    lost: Option<AbortReason>,
}

/// All recordings in progress: one for each thread at most.
struct Recordings(UnsafeCell<Vec<Recording>>);
// SAFETY: only touched with the GIL held, and never while other code runs.
unsafe impl Sync for Recordings {}
static RECORDINGS: Recordings = Recordings(UnsafeCell::new(Vec::new()));

#[allow(clippy::mut_from_ref, reason = "guarded by the GIL")]
fn recordings() -> &'static mut Vec<Recording> {
    // SAFETY: callers hold the GIL, and none keeps the reference while it calls anything that could come here again.
    unsafe { &mut *RECORDINGS.0.get() }
}

fn limits() -> Limits {
    Limits {
        ops: Parameter::TraceLength.get() as usize,
        inlined_ops: Parameter::InlinedLength.get() as usize,
        depth: Parameter::InlinedFrames.get() as usize,
        exits: Parameter::Exits.get() as usize,
        snapshot_slots: Parameter::SnapshotSlots.get() as usize,
        constants: Parameter::Constants.get() as usize,
        kinds: Parameter::Kinds.get(),
        inner_calls: Parameter::InnerCalls.get() as i32,
        check: Limits::default().check || std::env::var_os("HOTSPUR_STRESS").is_some_and(|v| v == "1"),
        ..Limits::default()
    }
}

unsafe fn begin(cx: *mut Context, at: &Landing, origin: Origin) -> bool {
    if recordings().iter().any(|r| r.context == cx) {
        return false;
    }
    let state = State { pc: at.pc, sp: at.sp, frame: at.frame, cx, cs: at.cs };
    // SAFETY: tier 2 calls with the registers of an activation.
    unsafe {
        let inherited = origin.exit().and_then(|(executor, exit)| bridge::inherited(executor, exit));
        let grown = inherited.and_then(|inherited| Recorder::grow(state, limits(), &inherited));
        let inherits = grown.is_some();
        let recorder = grown.unwrap_or_else(|| Recorder::start(state, limits()));
        let mut reliance = Reliance::default();
        if reliance.follow(&recorder.noted()).is_err() {
            return false;
        }
        observe::started(reliance.id(), &origin, inherits);
        recordings().push(Recording { context: cx, recorder: Some(Box::new(recorder)), origin, reliance, lost: None });
        start_tracing(cx);
    }
    true
}

unsafe fn record(cx: *mut Context, at: State) {
    let Some(index) = recordings().iter().position(|r| r.context == cx) else { return };
    let recording = &mut recordings()[index];
    let Some(mut recorder) = recording.recorder.take() else {
        // What it looks at runs code after all: a class has keys that compare themselves.
        recording.lost = Some(AbortReason::RecorderInterrupted);
        return;
    };
    let mut verdict = Verdict::Continue;
    if recording.lost.is_none() && !recording.reliance.is_lost() {
        // SAFETY: tier 1 calls before it executes an instruction.
        verdict = unsafe {
            recorder.step(at, &mut |code, position| {
                let place = Place { code, position };
                (graph::at(code, position).is_some() || pending::at_place(place)) && graph::is_entered(place)
            })
        };
    }
    // Others may have come and gone in the meantime.
    let Some(index) = recordings().iter().position(|r| r.context == cx) else { return };
    let recording = &mut recordings()[index];
    if let Some(reason) = recording.lost {
        verdict = Verdict::Aborted(reason);
    } else if recording.reliance.is_lost() {
        verdict = Verdict::Aborted(AbortReason::DependencyChanged);
    }
    let recorded = match verdict {
        // SAFETY: the instruction that was looked at has not run yet.
        Verdict::Continue => match unsafe { recording.reliance.follow(&recorder.noted()) } {
            Ok(()) => {
                recording.recorder = Some(recorder);
                return;
            }
            Err(Unreliable) => Err(AbortReason::DependencyChanged),
        },
        Verdict::Finished(trace) => Ok(*trace),
        Verdict::Aborted(reason) => Err(reason),
    };
    let Recording { origin, reliance, .. } = recordings().swap_remove(index);
    // SAFETY: as above; no other code has run since the recorder looked.
    unsafe {
        stop_tracing(cx);
        let place = Place { code: at.cs, position: at.pc.offset_from(CodeState::words(at.cs)) as usize };
        let _: Result<u64, AbortReason> = finish(origin, reliance, recorded, place);
    }
}

unsafe fn code_freed(cs: *mut CodeState) {
    for recording in recordings() {
        // SAFETY: the code is being freed, and still there.
        if recording.recorder.as_ref().is_none_or(|recorder| unsafe { recorder.contains(cs) }) {
            recording.lost = Some(AbortReason::CodeChanged);
        }
    }
}

/// Frames that are being recorded go on in the stock interpreter: what tier 1 executes next may be anything.
unsafe fn tools_active() {
    for recording in recordings() {
        recording.lost = recording.lost.or(Some(AbortReason::ToolsActive));
    }
}

/// Has code that is decoded from now on be recorded where it is hot, and executed in tier 2. Parameters are taken from the
/// environment.
///
/// # Errors
/// A message for the user.
pub fn start(engine: Engine, stress: bool) -> Result<(), String> {
    // SAFETY: callers hold the GIL, and have initialized tier 1.
    unsafe {
        // Parameters are taken from the environment first.
        hotspur_tier2::initialize(Some(HOOKS))?;
        if engine == Engine::Jit {
            hotspur_tier2::use_machine_code()?;
        }
    }
    if stress && std::env::var_os(Parameter::Background.variable()).is_none() {
        Parameter::Background.set(0)?;
    }
    Ok(())
}

/// Has code that runs for the first time from now on be recorded where it is hot, and executed by tier 2.
#[pyfunction]
pub fn record_traces() -> PyResult<()> {
    if !crate::hook::started() {
        return Err(PyRuntimeError::new_err("Hotspur is not enabled"));
    }
    start(Engine::Interp, false).map_err(PyRuntimeError::new_err)
}
