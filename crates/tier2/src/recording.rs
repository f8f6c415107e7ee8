//! When and where to record, and what becomes of a recording.
//!
//! The recorder itself is another crate's, and whoever puts the engine together connects the two: [`Hooks`] starts a recording,
//! and when that has ended, [`finish`] takes the trace, or the reason why there is none.
//!
//! A place or exit where recording failed has to wait longer for the next attempt each time, and after
//! [`Parameter::Attempts`] failures it is left alone: the word that counted becomes the plain instruction.

use crate::executor::Executor;
use crate::invalidate::invalidate;
use crate::jit::Made;
use crate::optimize::{Job, Prepared};
use crate::panics::NoPanic;
use crate::params::Parameter;
use crate::reliance::{Reliance, Unreliable};
use crate::{driver, graph, jit, observe, pending, runtime, stats, sweep, temperature};
use core::cell::UnsafeCell;
use hotspur_codegen::Code;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::{ffi, newref};
use hotspur_ir::{AbortReason, InvalidationReason};
use hotspur_recorder::{Place, Trace, note_kind};
use hotspur_tier1::code::Word;
use hotspur_tier1::context::Context;
use hotspur_tier1::counter;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::table::{INFO, op};
use hotspur_tier1::tier2::Landing;
use std::rc::Rc;
use std::time::Instant;

/// What tier 2 asks of the recorder.
#[derive(Debug, Clone, Copy)]
pub struct Hooks {
    /// Begins to record what the thread executes from `at` on. False if that cannot be done now; the origin is given back to
    /// nobody then. For a landing at a RESUME that enters: tier 1 executes the RESUME before it tells the recorder anything.
    pub start: unsafe fn(cx: *mut Context, at: &Landing, origin: Origin) -> bool,
    /// [`hotspur_tier1::tier2::Tier2::record`].
    pub record: unsafe fn(cx: *mut Context, at: State),
    /// A code object is going; a recording that contains it is to be given up.
    pub code_freed: unsafe fn(cs: *mut hotspur_tier1::code::CodeState),
    /// Frames go on in the stock interpreter; all recordings are to be given up.
    pub tools_active: unsafe fn(),
}

struct Global(UnsafeCell<Option<Hooks>>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Global {}
static HOOKS: Global = Global(UnsafeCell::new(None));

pub(crate) unsafe fn set_hooks(hooks: Option<Hooks>) {
    // SAFETY: the GIL is held.
    unsafe { *HOOKS.0.get() = hooks };
}

pub(crate) unsafe fn hooks() -> Option<Hooks> {
    // SAFETY: the GIL is held.
    unsafe { *HOOKS.0.get() }
}

/// Where a recording began, and so what its executor is to be attached to. Keeps what it refers to alive.
#[derive(Debug)]
pub struct Origin {
    place: Place,
    code: *mut PyObject,
    exit: Option<(Rc<Executor>, usize)>,
}

impl Origin {
    unsafe fn new(place: Place, exit: Option<(Rc<Executor>, usize)>) -> Origin {
        // SAFETY: the place is in live code.
        let code = unsafe { newref((*place.code).code.cast()) };
        Origin { place, code, exit }
    }

    /// Where the trace begins.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether the executor is to be attached to this place, and not to an exit alone.
    pub(crate) fn attaches_to(&self, place: Place) -> bool {
        self.place == place
            && self.exit.as_ref().is_none_or(|(executor, exit)| executor.exits()[*exit].leads_to_place())
    }

    /// Has the words that count for the place trigger soon: the executor is on its way.
    ///
    /// # Safety
    /// GIL held.
    pub(crate) unsafe fn be_patient(&self) {
        if !self.attaches_to(self.place) {
            return;
        }
        // SAFETY: the origin keeps its code alive.
        unsafe {
            for word in graph::words_that_lead_to(self.place).into_iter().filter(|&word| counts(word)) {
                (*word).counter = patient();
            }
        }
    }

    /// The executor and the number of its exit that the trace grows from, if it does.
    pub fn exit(&self) -> Option<(&Executor, usize)> {
        self.exit.as_ref().map(|(executor, exit)| (&**executor, *exit))
    }

    /// The number of the executor and of its exit that the trace grows from, if it does.
    pub fn parent(&self) -> Option<(u64, usize)> {
        self.exit.as_ref().map(|(executor, exit)| (executor.id, *exit))
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        graph::bury(vec![self.code]);
        graph::bury_executor(self.exit.take().map(|(executor, _)| executor));
    }
}

/// Backoff counters that streams begin with: [`hotspur_tier1::tier2::Tier2::counters`].
pub(crate) fn initial_counters() -> (u16, u16) {
    (temperature::initial(Parameter::BackEdgeThreshold), temperature::initial(Parameter::EntryThreshold))
}

/// [`hotspur_tier1::tier2::Tier2::hot`].
///
/// # Safety
/// As for a handler of tier 1.
pub unsafe fn hot(cx: *mut Context, at: State) -> u16 {
    let _guard = NoPanic;
    // SAFETY: as the caller promises.
    unsafe {
        graph::free_executors();
        pending::poll();
        if !counts(at.pc) {
            // Its executor has just come. It is entered the next time.
            return (*at.pc).counter;
        }
        let start = driver::start_of(at);
        let place = driver::place_of(&start);
        if pending::wanted_at_place(place, pending::PATIENCE.into()) || pending::is_full() {
            return patient();
        }
        if graph::failures(place) >= Parameter::Attempts.get() || !is_in_sample(place) {
            give_up(at.pc);
            observe::given_up(place);
            return 0;
        }
        if is_over(&start) && (*at.pc).counter != POSTPONED {
            // What the loop does is to be recorded, and not that it ends: its next round is waited for. Not twice: it may be one that
            // goes round only once each time.
            return POSTPONED;
        }
        let threshold = threshold_of((*at.pc).op);
        if graph::has_to_wait(place) || graph::is_lukewarm(place, threshold) {
            return temperature::initial(threshold);
        }
        if start_recording(cx, &start, None) {
            temperature::initial(threshold)
        } else {
            counter::back_off((*at.pc).counter)
        }
    }
}

/// A counter that triggers the next time, and is no other's: those that back off have an exponent.
const POSTPONED: u16 = 0;

/// Whether an iterator is asked for its next item there, and has none.
unsafe fn is_over(start: &Landing) -> bool {
    // SAFETY: execution has got there, so the instruction's operand is on the stack.
    unsafe { INFO[usize::from((*start.pc).op)].base == op::FOR_ITER && runtime::is_exhausted(*start.sp.sub(1)) }
}

/// Whether places like this one are recorded from: see [`Parameter::Sample`]. The same in all processes.
unsafe fn is_in_sample(place: Place) -> bool {
    let sample = Parameter::Sample.get();
    if sample == 1 {
        return true;
    }
    // SAFETY: the place is in live code, whose name is a string.
    let (name, line) = unsafe {
        let code = (*place.code).code;
        let mut length = 0;
        let text = ffi::PyUnicode_AsUTF8AndSize((*code).co_qualname, &raw mut length);
        if text.is_null() {
            ffi::PyErr_Clear();
            return false;
        }
        (core::slice::from_raw_parts(text.cast::<u8>(), length as usize), (*code).co_firstlineno as u32)
    };
    let numbers = [line, place.position as u32].map(u32::to_le_bytes).concat();
    let hash = name.iter().chain(&numbers).fold(0x811c_9dc5_u32, |h, &b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    (hash >> 8) % sample == Parameter::SampleSeed.get() % sample
}

/// Whether a word counts for an executor.
pub(crate) unsafe fn counts(word: *mut Word) -> bool {
    // SAFETY: a word of a live stream.
    matches!(unsafe { (*word).op }, op::RESUME_COUNTED | op::JUMP_BACKWARD_COUNTED)
}

/// The counter of a place whose executor is on its way.
fn patient() -> u16 {
    pending::PATIENCE << 4 | Parameter::Backoff.get() as u16
}

fn threshold_of(op: u16) -> Parameter {
    if INFO[usize::from(op)].base == op::RESUME { Parameter::EntryThreshold } else { Parameter::BackEdgeThreshold }
}

/// Makes a word that counts the plain instruction.
unsafe fn give_up(word: *mut Word) {
    // SAFETY: a word of a live stream.
    unsafe {
        (*word).op = INFO[usize::from((*word).op)].base;
        stats::count(|s| s.places_given_up += 1);
    }
}

/// An exit has become hot: asks for a recording.
pub(crate) unsafe fn start_at_exit(cx: *mut Context, at: &Landing, executor: &Rc<Executor>, exit: usize) -> bool {
    if executor.exits()[exit].failures() >= Parameter::Attempts.get() {
        return false;
    }
    // SAFETY: `at` is a landing that is running.
    let place = unsafe { driver::place_of(at) };
    let times = Parameter::ExitThreshold.get().into();
    if pending::wanted_at_exit(executor, exit, times) || pending::wanted_at_place(place, times) {
        // What is on its way is waited for.
        return true;
    }
    // SAFETY: as above.
    if executor.exits()[exit].leads_to_place() && unsafe { graph::has_to_wait(place) } {
        return true;
    }
    let is_alternative = executor.exits()[exit].tells_kinds_apart();
    // SAFETY: `at` is a landing that is running; the GIL is held.
    unsafe {
        if is_alternative {
            note_kind(place);
        }
        start_recording(cx, at, Some((Rc::clone(executor), exit)))
    }
}

unsafe fn start_recording(cx: *mut Context, at: &Landing, exit: Option<(Rc<Executor>, usize)>) -> bool {
    // SAFETY: the GIL is held, and the landing's code is live.
    unsafe {
        let Some(hooks) = hooks() else { return false };
        let thread = (*cx).thread;
        if (*thread).tracing || !driver::may_run(cx) || pending::is_full() {
            return false;
        }
        let started = (hooks.start)(cx, at, Origin::new(driver::place_of(at), exit));
        if started {
            stats::count(|s| s.traces_started += 1);
        }
        started
    }
}

/// A recording has ended: makes an executor of the trace and attaches it, at once or when its machine code has been made in the
/// background. Answers the executor's number. `at` is where the recording has ended.
///
/// # Errors
/// Why there is no executor: the recorder's reason, or that the trace cannot be used.
///
/// # Safety
/// GIL held; no other code has run since the recorder looked at what the trace depends on.
pub unsafe fn finish(
    origin: Origin,
    mut reliance: Reliance,
    recorded: Result<Trace, AbortReason>,
    at: Place,
) -> Result<u64, AbortReason> {
    let _guard = NoPanic;
    let id = reliance.id();
    // SAFETY: as the caller promises; the origin keeps its code alive.
    unsafe {
        let began = Instant::now();
        let made = recorded.and_then(|trace| {
            reliance.complete(&trace).map_err(|Unreliable| AbortReason::DependencyChanged)?;
            sweep::make_ready()?;
            let job = Job::of(&trace);
            let executor = make(trace, reliance);
            if executor.trace().inherits {
                executor.grown_from.set(origin.parent());
            }
            if let Some((parent, number)) = &origin.exit {
                let exit = &parent.exits()[*number];
                executor.losses.set(exit.losses());
                if exit.does_nothing() {
                    executor.alternative.set(parent.alternative.get() + 1);
                }
            } else {
                executor.losses.set(graph::losses(origin.place));
            }
            Ok((executor, job))
        });
        let (made, origin) = match made {
            Ok((executor, job)) if jit::in_background() => match pending::submit(executor, origin, job) {
                Ok(id) => {
                    stats::count(|s| s.compile_gil_nanoseconds += began.elapsed().as_nanos() as u64);
                    return Ok(id);
                }
                Err((executor, origin)) => {
                    let job = Job::of(executor.trace());
                    (compile(executor, job), origin)
                }
            },
            Ok((executor, job)) => (compile(executor, job), origin),
            Err(reason) => (Err(reason), origin),
        };
        conclude(id, made, &origin, began, Some(at))
    }
}

/// Attaches the executor with this number, which is ready to run, or notes that there is none. `at` is where a recording has ended that
/// no other code has run since.
///
/// # Errors
/// The reason given, or that the executor whose exit it was recorded from is gone.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn conclude(
    id: u64,
    made: Result<Rc<Executor>, AbortReason>,
    origin: &Origin,
    began: Instant,
    at: Option<Place>,
) -> Result<u64, AbortReason> {
    // SAFETY: as the caller promises; the origin keeps its code alive.
    unsafe {
        let attached = made.and_then(|executor| attach(executor, origin));
        stats::count(|s| {
            s.compile_gil_nanoseconds += began.elapsed().as_nanos() as u64;
            match &attached {
                Ok(_) => s.traces_finished += 1,
                Err(reason) => s.traces_aborted[*reason as usize] += 1,
            }
        });
        if let Err(reason) = attached {
            observe::aborted(id, reason, at);
            failed(origin);
        }
        attached
    }
}

/// Sees to it that the next attempt comes later, or never.
unsafe fn failed(origin: &Origin) {
    if let Some((executor, exit)) = &origin.exit {
        let exit = &executor.exits()[*exit];
        exit.temperature.fail(exit.note_failure());
        return;
    }
    let failures = graph::note_failure(origin.place);
    // SAFETY: the origin keeps its code alive.
    unsafe {
        for word in graph::words_that_lead_to(origin.place) {
            if counts(word) && failures >= Parameter::Attempts.get() {
                give_up(word);
                observe::given_up(origin.place);
            } else if counts(word) {
                (*word).counter = temperature::after_failures(failures);
            }
        }
    }
}

/// Attaches an executor to where it was recorded from. Answers its number.
unsafe fn attach(executor: Rc<Executor>, origin: &Origin) -> Result<u64, AbortReason> {
    let id = executor.id;
    // SAFETY: the GIL is held; the origin keeps its code alive.
    unsafe {
        match &origin.exit {
            Some((parent, _)) if !parent.is_valid() => {
                invalidate(&executor, InvalidationReason::LinkLost);
                graph::bury_executor(Some(executor));
                return Err(AbortReason::ExecutorRemoved);
            }
            Some((parent, exit)) if !parent.exits()[*exit].leads_to_place() => {
                observe::attached(&executor, origin.parent());
                parent.lead(*exit, executor);
            }
            Some(_) | None => {
                observe::attached(&executor, None);
                graph::attach(&executor, executor.trace().entry);
                graph::bury_executor(Some(executor));
            }
        }
    }
    Ok(id)
}

/// Makes an executor that cannot be run yet and is not attached anywhere, of a trace that the reliance is complete for.
///
/// # Safety
/// As for [`finish`].
unsafe fn make(trace: Trace, reliance: Reliance) -> Rc<Executor> {
    let (id, held) = reliance.pass_on();
    let executor = Executor::new(id, trace, held);
    graph::remember(&executor);
    executor
}

/// Makes an executor of a hand-written trace.
unsafe fn make_by_hand(trace: Trace) -> Result<Rc<Executor>, AbortReason> {
    let mut reliance = Reliance::default();
    // SAFETY: all that the trace refers to is live.
    unsafe {
        reliance.complete(&trace).map_err(|Unreliable| AbortReason::DependencyChanged)?;
        let job = Job::of(&trace).without_passes();
        compile(make(trace, reliance), job)
    }
}

/// Has an executor optimized at once, and gives it machine code, if that is what executors have.
unsafe fn compile(executor: Rc<Executor>, job: Job) -> Result<Rc<Executor>, AbortReason> {
    // SAFETY: the GIL is held, what the executor refers to is live.
    unsafe {
        let done = if jit::is_on() {
            let task = jit::task(&executor, job).unwrap_or(Err(AbortReason::CompileFailed));
            task.and_then(jit::compile).and_then(|made| equip(&executor, made))
        } else {
            job.run().map(|prepared| prepare(&executor, prepared))
        };
        match done {
            Ok(()) => Ok(executor),
            Err(reason) => {
                invalidate(&executor, turned_away(reason));
                graph::bury_executor(Some(executor));
                Err(reason)
            }
        }
    }
}

/// Why an executor is invalid that was not compiled for this reason.
pub(crate) fn turned_away(reason: AbortReason) -> InvalidationReason {
    match reason {
        AbortReason::TooManyExecutors => InvalidationReason::CodeMemory,
        _ => InvalidationReason::NotCompiled,
    }
}

/// It is known what an executor executes.
unsafe fn prepare(executor: &Executor, prepared: Prepared) {
    let time = prepared.time.as_nanos() as u64;
    executor.prepare(prepared);
    // SAFETY: the GIL is held, and the executor valid.
    unsafe {
        stats::count(|s| s.optimize_nanoseconds += time);
        observe::recorded(executor);
    }
}

/// Gives an executor, which is valid, what was made for it.
///
/// # Errors
/// As for [`give_code`].
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn equip(executor: &Executor, made: Made) -> Result<(), AbortReason> {
    let Made { prepared, code } = made;
    // SAFETY: as the caller promises.
    unsafe {
        prepare(executor, prepared);
        give_code(executor, &code)
    }
}

/// Gives an executor machine code that was made for it. If there is no room for it, cold executors go.
///
/// # Errors
/// There is no room, and everything is in use.
///
/// # Safety
/// GIL held.
unsafe fn give_code(executor: &Executor, code: &Code) -> Result<(), AbortReason> {
    // SAFETY: as the caller promises.
    unsafe {
        match jit::install(executor, code) {
            Err(AbortReason::OutOfMemory) => {
                let has_room = sweep::make_room(|| jit::install(executor, code).is_ok());
                if has_room { Ok(()) } else { Err(AbortReason::TooManyExecutors) }
            }
            installed => installed,
        }
    }
}

/// Attaches an executor made of a hand-written trace to its place, for tests and for trying things out.
///
/// # Errors
/// See [`finish`].
///
/// # Safety
/// GIL held, all that the trace refers to is live.
pub unsafe fn attach_by_hand(trace: Trace) -> Result<u64, AbortReason> {
    // SAFETY: as the caller promises.
    unsafe {
        let executor = make_by_hand(trace)?;
        graph::attach(&executor, executor.trace().entry);
        Ok(executor.id)
    }
}

/// Attaches an executor made of a hand-written trace to an exit of another one; see [`attach_by_hand`].
///
/// # Errors
/// See [`finish`]; also if there is no such exit.
///
/// # Safety
/// As for [`attach_by_hand`].
pub unsafe fn attach_to_exit_by_hand(trace: Trace, parent: u64, exit: usize) -> Result<u64, AbortReason> {
    let parent = graph::find(parent).filter(|p| p.is_valid() && exit < p.exits().len());
    let parent = parent.ok_or(AbortReason::ExecutorRemoved)?;
    // SAFETY: as the caller promises.
    let executor = unsafe { make_by_hand(trace)? };
    let id = executor.id;
    parent.lead(exit, executor);
    Ok(id)
}

/// Makes an executor invalid at a user's request. False if there is none with this number.
///
/// # Safety
/// GIL held.
pub unsafe fn remove(id: u64) -> bool {
    let Some(executor) = graph::find(id) else { return false };
    // SAFETY: as the caller promises.
    unsafe { invalidate(&executor, InvalidationReason::Requested) };
    graph::bury_executor(Some(executor));
    true
}
