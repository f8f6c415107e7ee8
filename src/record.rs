//! Looking into the recorder from Python: the superblock of a piece of code, without anything being executed in tier 2.

use hotspur_recorder::{Limits, Recorder, Trace, Verdict};
use hotspur_tier1::code::CodeState;
use hotspur_tier1::context::Context;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::table::{INFO, op};
use hotspur_tier1::tier2::{Tier2, start_tracing, stop_tracing};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::cell::RefCell;

/// What a call of [`superblock`] waits for, and what has come of it.
struct Session {
    /// Whether a function's entry is waited for, or a loop's back-edge.
    entry: bool,
    /// The code in which recording is to begin, and positions in it that count as those of executors.
    code: usize,
    executors: Vec<usize>,
    limits: Limits,
    recorder: Option<Recorder>,
    trace: Option<Box<Trace>>,
    /// The trace's constants, with a reference to each.
    objects: Vec<Py<PyAny>>,
    /// Names of the reasons for which recordings were given up.
    aborts: Vec<&'static str>,
    /// The tier 2 that there was before.
    other: Option<&'static Tier2>,
}

thread_local! {
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// Tier 2 while [`superblock`] runs.
static OBSERVER: Tier2 = Tier2 { hot, record, enter, tick, code_freed, tools_changed, counters };

unsafe fn tick() {}

unsafe fn tools_changed(_: bool) {}

/// Counters that trigger the third time.
unsafe fn counters() -> (u16, u16) {
    (2 << 4, 2 << 4)
}

unsafe fn hot(cx: *mut Context, at: State) -> u16 {
    SESSION.with_borrow_mut(|session| {
        let Some(session) = session else { return };
        // SAFETY: registers of tier 1.
        let (is_entry, code) = unsafe { (INFO[usize::from((*at.pc).op)].base == op::RESUME, (*at.cs).code as usize) };
        let waits = session.recorder.is_none() && session.trace.is_none();
        if waits && is_entry == session.entry && code == session.code {
            // SAFETY: as above; the thread is the context's.
            unsafe {
                let begin = if is_entry { at.pc } else { at.pc.add(2).sub(at.oparg()) };
                let state = State { pc: begin, ..at };
                session.recorder = Some(Recorder::start(state, session.limits));
                start_tracing(cx);
            }
        }
    });
    2 << 4
}

unsafe fn record(cx: *mut Context, at: State) {
    SESSION.with_borrow_mut(|session| {
        let Some((session, mut recorder)) = session.as_mut().and_then(|s| s.recorder.take().map(|r| (s, r))) else {
            return;
        };
        let (code, executors) = (session.code, &session.executors);
        // SAFETY: called by tier 1 before it executes an instruction.
        let verdict = unsafe {
            recorder.step(at, &mut |cs: *mut CodeState, position| {
                (*cs).code as usize == code && executors.contains(&position)
            })
        };
        match verdict {
            Verdict::Continue => {
                session.recorder = Some(recorder);
                return;
            }
            Verdict::Finished(trace) => {
                // SAFETY: a trace's constants are alive when it is finished, and the GIL is held.
                let keep = |o: &hotspur_recorder::Object| unsafe {
                    Bound::from_borrowed_ptr(Python::assume_attached(), o.object).unbind()
                };
                session.objects = trace.objects.iter().map(keep).collect();
                session.trace = Some(trace);
            }
            Verdict::Aborted(reason) => session.aborts.push(reason.name()),
        }
        // SAFETY: as above.
        unsafe { stop_tracing(cx) };
    });
}

unsafe fn enter(_: *mut Context, _: State) {
    unreachable!("no executors are made")
}

unsafe fn code_freed(cs: *mut CodeState) {
    let other = SESSION.with_borrow(|s| s.as_ref().and_then(|s| s.other));
    if let Some(other) = other {
        // SAFETY: passed on.
        unsafe { (other.code_freed)(cs) }
    }
}

/// Calls `function` (which must not have run before) with the arguments until a trace was recorded that begins in it: at its first hot
/// loop, or at its entry if `start` is "entry". At most `calls` times.
///
/// `executors`: positions in the function's code to which traces are to link. `limits`: see the recorder's.
///
/// Returns a dict: `text` of the superblock (None if there is none), `objects`, `instructions_at_exit`, `instructions_in_loop`,
/// `entry`, `links` (positions), `codes` (names), and `aborts`, the reasons for which recordings were given up.
#[pyfunction]
#[pyo3(signature = (function, *args, start="loop", executors=Vec::new(), calls=10, limits=None))]
pub fn superblock<'py>(
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    start: &str,
    executors: Vec<usize>,
    calls: usize,
    limits: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = function.py();
    if !crate::hook::started() {
        return Err(PyRuntimeError::new_err("Hotspur is not enabled"));
    }
    if !matches!(start, "loop" | "entry") {
        return Err(PyValueError::new_err("start is \"loop\" or \"entry\""));
    }
    let limits = read_limits(limits)?;
    let code = function.getattr("__code__")?.as_ptr() as usize;
    // SAFETY: tier 1 is initialized, the GIL is held, and the observer makes no executors.
    let other = unsafe { hotspur_tier1::swap_tier2(Some(&OBSERVER)) };
    let session = Session {
        entry: start == "entry",
        code,
        executors,
        limits,
        recorder: None,
        trace: None,
        objects: Vec::new(),
        aborts: Vec::new(),
        other,
    };
    SESSION.set(Some(session));
    let mut result = Ok(());
    for _ in 0..calls {
        result = function.call1(args).map(drop);
        if result.is_err() || SESSION.with_borrow(|s| s.as_ref().is_some_and(|s| s.trace.is_some())) {
            break;
        }
    }
    let session = SESSION.take();
    // SAFETY: as above. A recording that has not come to an end is given up.
    unsafe {
        hotspur_tier1::swap_tier2(other);
        hotspur_tier1::stop_recording_traces();
    }
    result?;
    let dict = PyDict::new(py);
    let Some(session) = session else { return Ok(dict) };
    dict.set_item("aborts", session.aborts)?;
    dict.set_item("unfinished", session.recorder.is_some())?;
    dict.set_item("text", session.trace.as_ref().map(|t| t.superblock.to_string()))?;
    if let Some(trace) = session.trace {
        dict.set_item("objects", session.objects)?;
        dict.set_item("keeps", trace.objects.iter().map(|o| format!("{:?}", o.keep)).collect::<Vec<_>>())?;
        dict.set_item("instructions_at_exit", trace.superblock.instructions_at_exits())?;
        dict.set_item("instructions_in_loop", trace.instructions_in_loop())?;
        dict.set_item("entry", trace.entry.position)?;
        dict.set_item("links", trace.executors.iter().map(|p| p.position).collect::<Vec<_>>())?;
        dict.set_item("codes", trace.codes.len())?;
    }
    Ok(dict)
}

/// Limits with those that are given by name in place of the default ones. Check mode is always on.
fn read_limits(given: Option<&Bound<'_, PyDict>>) -> PyResult<Limits> {
    let mut limits = Limits { check: true, ..Limits::default() };
    for (name, value) in given.iter().flat_map(|d| d.iter()) {
        let value: usize = value.extract()?;
        match name.extract::<String>()?.as_str() {
            "instructions" => limits.instructions = value as u32,
            "ops" => limits.ops = value,
            "depth" => limits.depth = value,
            "recursion" => limits.recursion = value,
            "inner_rounds" => limits.inner_rounds = value as u32,
            "useful" => limits.useful = value as u32,
            "snapshot_slots" => limits.snapshot_slots = value,
            "constants" => limits.constants = value,
            "exits" => limits.exits = value,
            "foreign" => limits.foreign = value as u32,
            name => return Err(PyValueError::new_err(format!("no limit is called {name}"))),
        }
    }
    Ok(limits)
}
