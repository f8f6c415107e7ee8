//! Running executors: in from tier 1, from one to the next, out to tier 1.
//!
//! # One loop
//! [`enter`] runs the executor that tier 1 has met, and those that its exits lead to, one after the other in a loop, so that the
//! C stack does not grow with the number of passages. Between two executors everything is in memory: the frames have been
//! written, and where execution stands is a [`Landing`], just as between an executor and tier 1.
//!
//! An executor is not freed while it is run, whatever becomes of the exits and places that led there: see `executor.rs`.
//!
//! Machine code does most passages without coming here: see `jit/run.rs`.
//!
//! # No endless loops
//! Executors check for signals and other threads in their own loops. A circle of executors, each without a loop, would not; so the
//! passage to the next executor is also refused when something asks for attention. And an executor that is entered at a
//! RESUME and leaves at once, having done nothing, must not be entered again by the very RESUME: that is stepped over.
//!
//! # The C stack
//! An executor takes more of the C stack than tier 1, which takes next to nothing, and CPython's limit of nested C calls is made
//! for its own loop. Where code recurses through C, only the outer activations run executors ([`Parameter::NestedCalls`]).
//!
//! # What happens at an exit
//! 1. It counts.
//! 2. The frames are in memory, and the landing says where execution stands. If that is an exception, or the end of the
//!    activation, tier 1 does the rest.
//! 3. If an executor is there (attached to the exit, to the place of a dynamic exit, or linked to), execution goes on in it.
//! 4. If not, the exit has become warmer. When it is hot, recording is asked for, which begins as soon as tier 1 goes on.

use crate::executor::Executor;
use crate::exits::Exit;
use crate::panics::NoPanic;
use crate::params::Parameter;
use crate::runtime::{Host, Obj};
use crate::{graph, jit, losing, pending, recording, stats, trial};
use cranelift_entity::EntityRef;
use hotspur_codegen::Failing;
use hotspur_cpython_sys::{EVAL_EVENTS_MASK, allocations_are_watched, ffi, nested_c_calls};
use hotspur_interp::{Leave, Outcome, Register};
use hotspur_ir::{ExitId, ExitReason, Resume};
use hotspur_recorder::{Place, has_more_kinds_than, note_kind};
use hotspur_tier1::code::CodeState;
use hotspur_tier1::context::Context;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::table::{INFO, op};
use hotspur_tier1::tier2::{Landing, LandingKind, step};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where an executor begins that the instruction at `at.pc`, a back-edge or a RESUME, enters.
///
/// # Safety
/// As for a handler of tier 1.
pub unsafe fn start_of(at: State) -> Landing {
    // SAFETY: as the caller promises.
    unsafe {
        let is_jump = INFO[usize::from((*at.pc).op)].base == op::JUMP_BACKWARD;
        let pc = if is_jump { at.pc.add(2).sub(at.oparg()) } else { at.pc };
        Landing { kind: LandingKind::Running, pc, sp: at.sp, frame: at.frame, cs: at.cs, value: core::ptr::null_mut() }
    }
}

/// The place of a landing that is `Running`.
///
/// # Safety
/// The landing's code is live.
pub unsafe fn place_of(landing: &Landing) -> Place {
    // SAFETY: as the caller promises.
    unsafe { Place { code: landing.cs, position: landing.pc.offset_from(CodeState::words(landing.cs)) as usize } }
}

/// Whether executors may run: not while tracing, profiling or monitoring is on, for then frames belong to the stock interpreter, and
/// not when the frame evaluation function is another one, for then calls are not ours to inline. Nor while `tracemalloc` is on: it looks at the
/// frames whenever something is allocated, which an executor does without having made them.
///
/// # Safety
/// GIL held.
#[inline(always)]
pub unsafe fn may_run(cx: *mut Context) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        Context::refresh(cx);
        !(*(*cx).thread).tools_active
            && *(*cx).hook == hotspur_tier1::eval_frame as *const core::ffi::c_void
            && !allocations_are_watched()
    }
}

/// The registers of tier 1 at a landing.
fn registers(cx: *mut Context, landing: &Landing) -> State {
    State { pc: landing.pc, sp: landing.sp, frame: landing.frame, cx, cs: landing.cs }
}

/// [`hotspur_tier1::tier2::Tier2::enter`].
///
/// # Safety
/// As for a handler of tier 1.
pub unsafe fn enter(cx: *mut Context, at: State) {
    let _guard = NoPanic;
    // SAFETY: as the caller promises. Any code may run at a back-edge and at a RESUME.
    unsafe {
        pending::poll();
        trial::event();
        if !graph::is_quiet() {
            at.save_ip();
            graph::empty_graveyard();
        }
        let start = start_of(at);
        let place = place_of(&start);
        if nested_c_calls((*cx).tstate) > Parameter::NestedCalls.get() as i32 || !may_run(cx) {
            step(at);
            return;
        }
        let executor = graph::peek(place.code, place.position);
        if executor.is_null() {
            // What was just freed has taken the executor along; the word is an ordinary one again.
            step(at);
            return;
        }
        if losing::retires(executor) {
            step(at);
            return;
        }
        stats::count(|s| s.entries += 1);
        if Parameter::StopEvery.get() != 0 {
            stop_some();
        }
        let last = if (*executor).entry.get().is_null() {
            interpret(cx, executor, start)
        } else {
            jit::run::run(cx, executor)
        };
        let landing = &raw const (*(*cx).thread).landing;
        if (*landing).kind == LandingKind::Running && (*(*landing).pc).op == op::RESUME_EXECUTOR {
            // An executor that has left at its own beginning is not to be entered again at once.
            let here = place_of(&*landing);
            if core::ptr::eq(graph::peek(here.code, here.position), last) {
                step(registers(cx, &*landing));
            }
        }
    }
}

/// See [`Parameter::StopEvery`]. Exits that are taken because somebody has stopped executors, or because a trace has become invalid under way, are hardly ever taken
/// by themselves; so tests can have them taken.
#[cold]
unsafe fn stop_some() {
    let mut entries = 0;
    // SAFETY: the GIL is held.
    unsafe { stats::count(|s| entries = s.entries) };
    let every = u64::from(Parameter::StopEvery.get());
    if entries.is_multiple_of(every) {
        graph::set_going(entries / every % 2 == 0);
    }
}

/// Whether the guard that is about to be executed is the next to fail: see [`Parameter::FailEvery`].
#[inline(always)]
pub(crate) fn is_to_fail() -> bool {
    let every = Parameter::FailEvery.get();
    if every == 0 {
        return false;
    }
    let left = GUARDS_LEFT.load(Ordering::Relaxed);
    let fails = left <= 1;
    GUARDS_LEFT.store(if fails { every } else { left - 1 }, Ordering::Relaxed);
    fails
}

/// The same for machine code that is made from now on.
pub(crate) fn failing() -> Option<Failing> {
    let every = Parameter::FailEvery.get();
    let countdown = (&raw const GUARDS_LEFT).expose_provenance() as u64;
    (every != 0).then_some(Failing { countdown, every })
}

/// Guards until the next that fails.
static GUARDS_LEFT: AtomicU32 = AtomicU32::new(0);

/// Runs an executor and those that it leads to in the tier 2 interpreter. Leaves where execution stands in the end in the thread, and answers the
/// last executor, which may be gone.
#[inline(never)]
unsafe fn interpret(cx: *mut Context, first: *const Executor, start: Landing) -> *const Executor {
    // SAFETY: as for `enter`; each executor is referred to by `current` while it runs.
    unsafe {
        Rc::increment_strong_count(first);
        let first = Rc::from_raw(first);
        let mut host = Host::new(cx);
        let mut current = first;
        let mut at = start;
        let mut args = Vec::new();
        host.begin(Rc::as_ptr(&current), &at);
        loop {
            begun(&current);
            let leads = |exit: ExitId| may_go_on(cx) && current.exits()[exit.index()].leads_to_bridge();
            let outcome =
                hotspur_interp::run_to_bridges(&current.trace().superblock, &mut host, &args, u64::MAX, &leads);
            let mut outcome = outcome.unwrap_or_else(|violation| broken(&current, &violation.to_string()));
            current.running.set(current.running.get() - 1);
            current.rounds.set(current.rounds.get() + outcome.rounds);
            debug_assert_eq!(outcome.executed, current.micro_ops_until(outcome.exit, outcome.rounds));
            if let Leave::Bridge(values) = &mut outcome.leave {
                let exit = &current.exits()[outcome.exit.index()];
                let Some(next) = exit.target() else { broken(&current, "there is no bridge") };
                args = core::mem::take(values);
                exit.count_linked();
                host.go_on_in(Rc::as_ptr(&next));
                graph::let_go(core::mem::replace(&mut current, next));
                continue;
            }
            at = left(&mut host, &current, &outcome);
            let Passage::To(next, next_args) = go_on(cx, &current, &at, outcome) else {
                let last = Rc::as_ptr(&current);
                graph::let_go(current);
                (*(*cx).thread).landing = at;
                return last;
            };
            args = next_args;
            // The previous one is let go when its successor is held already.
            graph::let_go(core::mem::replace(&mut current, next));
            host.begin(Rc::as_ptr(&current), &at);
        }
    }
}

/// An executor begins to run in the tier 2 interpreter.
fn begun(executor: &Executor) {
    executor.warm.set(true);
    executor.runs.set(executor.runs.get() + 1);
    executor.running.set(executor.running.get() + 1);
}

/// An executor was left: answers where execution stands.
pub(crate) unsafe fn left(host: &mut Host, executor: &Executor, outcome: &Outcome<Obj>) -> Landing {
    let exit = &executor.exits()[outcome.exit.index()];
    // SAFETY: as for `run`.
    unsafe {
        match outcome.leave {
            Leave::Side => host.left_at(outcome.resume, exit.pc as usize),
            Leave::Dynamic(pc) => host.left_at(Resume::At, pc as usize),
            Leave::Link(..) => host.left_at(Resume::At, exit.pc as usize),
            Leave::Bridge(_) => broken(executor, "a bridge is entered where nothing is left"),
        }
    }
}

/// What an exit leads to.
pub(crate) enum Passage {
    /// Another executor, with its arguments.
    To(Rc<Executor>, Vec<Register<Obj>>),
    /// Tier 1, which may be asked to record.
    Tier1,
}

/// Finds what the exit that was taken leads to, and counts it.
pub(crate) unsafe fn go_on(cx: *mut Context, current: &Rc<Executor>, at: &Landing, outcome: Outcome<Obj>) -> Passage {
    let number = outcome.exit.index();
    let exit = &current.exits()[number];
    // SAFETY: as for `run`.
    unsafe {
        if let Some((next, args)) = next(cx, current, exit, at, outcome.leave) {
            exit.count_linked();
            return Passage::To(next, args);
        }
        exit.count_cold();
        warm_up(cx, current, at, number);
        Passage::Tier1
    }
}

/// A superblock did what verified superblocks cannot do. References and frames are in an unknown state: going on would be worse
/// than the end.
#[cold]
pub(crate) fn broken(executor: &Executor, message: &str) -> ! {
    eprintln!("hotspur: executor {}: {message}\n{}", executor.id, executor.trace().superblock);
    // SAFETY: it ends the process.
    unsafe { ffi::Py_FatalError(c"Hotspur: a superblock is not what it should be".as_ptr()) }
}

/// Whether execution may go on from one executor to the next.
#[inline(always)]
unsafe fn may_go_on(cx: *mut Context) -> bool {
    // SAFETY: as for `run`.
    unsafe { (*(*cx).tstate).eval_breaker & EVAL_EVENTS_MASK == 0 && may_run(cx) && !(*(*cx).thread).tracing }
}

/// The machine code to go on in at a landing, or null.
#[inline(always)]
pub(crate) unsafe fn code_at(cx: *mut Context, at: &Landing) -> *const u8 {
    // SAFETY: as for `run`.
    unsafe {
        if at.kind != LandingKind::Running || !may_go_on(cx) {
            return core::ptr::null();
        }
        let here = place_of(at);
        let executor = graph::peek(here.code, here.position);
        if executor.is_null() { core::ptr::null() } else { (*executor).entry.get() }
    }
}

/// Whether there is an executor at a landing that is running.
unsafe fn has_executor(at: &Landing) -> bool {
    // SAFETY: as the caller promises.
    let place = unsafe { place_of(at) };
    // SAFETY: the place is in live code.
    unsafe { !graph::peek(place.code, place.position).is_null() }
}

type Next = Option<(Rc<Executor>, Vec<Register<Obj>>)>;

/// The executor that execution goes on in, with its arguments.
unsafe fn next(cx: *mut Context, current: &Executor, exit: &Exit, at: &Landing, leave: Leave<Obj>) -> Next {
    // SAFETY: as for `run`.
    unsafe {
        if at.kind != LandingKind::Running || !may_go_on(cx) {
            return None;
        }
        let here = place_of(at);
        match leave {
            Leave::Link(executor, args) => {
                let place = current.trace().executor(executor);
                let target = graph::at(place.code, place.position)?;
                let fits = place == here && target.trace().superblock.params.len() == args.len();
                fits.then_some((target, args))
            }
            Leave::Bridge(_) => None,
            Leave::Dynamic(_) => graph::at(here.code, here.position).and_then(without_args),
            Leave::Side if exit.is_dynamic() => graph::at(here.code, here.position).and_then(without_args),
            Leave::Side if exit.reason == ExitReason::Invalidated => None,
            Leave::Side => exit.target().and_then(without_args),
        }
    }
}

fn without_args(executor: Rc<Executor>) -> Next {
    let can_be_entered = executor.trace().superblock.params.is_empty() && !executor.trace().inherits;
    if can_be_entered {
        return Some((executor, Vec::new()));
    }
    graph::let_go(executor);
    None
}

/// How often a link has to lead nowhere until somebody looks why.
const LOOK_EVERY: u64 = 32;

/// Whether a function is called at a landing.
unsafe fn calls(at: &Landing) -> bool {
    // SAFETY: as the caller promises.
    INFO[usize::from(unsafe { (*at.pc).op })].base == op::CALL
}

/// Counts an exit that nothing is attached to; if it is hot, asks for a recording.
#[cold]
pub(crate) unsafe fn warm_up(cx: *mut Context, executor: &Rc<Executor>, at: &Landing, number: usize) {
    let exit = &executor.exits()[number];
    let is_one_too_many = exit.does_nothing() && executor.alternative.get() >= Parameter::Alternatives.get();
    let is_running = at.kind == LandingKind::Running;
    if is_running && exit.reason == ExitReason::Linked && exit.cold.get().is_multiple_of(LOOK_EVERY) {
        // What it links to may be on its way.
        // SAFETY: the landing's code is live.
        pending::wanted_at_place(unsafe { place_of(at) }, LOOK_EVERY);
    }
    if !is_running || !exit.can_grow() || !executor.is_valid() {
        return;
    }
    // SAFETY: the landing's code is live.
    if exit.leads_to_place() && unsafe { has_executor(at) } {
        // It was not to be entered now.
        return;
    }
    if !exit.temperature.advance() {
        return;
    }
    // SAFETY: the landing's code is live.
    if exit.leads_to_place() && unsafe { recording::counts(at.pc) } {
        // It leads to many places, and this one will have an executor when it is hot itself.
        exit.temperature.cool();
        return;
    }
    if exit.is_lukewarm() {
        exit.temperature.cool();
        return;
    }
    if exit.does_nothing() && !losing::was_worth_it(executor) {
        exit.inherit_losses(executor.losses.get() + 1);
    }
    // SAFETY: the GIL is held, the landing's code is live.
    let has_many_kinds =
        exit.tells_kinds_apart() && unsafe { has_more_kinds_than(Parameter::Kinds.get() - 1, place_of(at)) };
    // What is recorded then is for all kinds that there is no alternative for, so it does not matter what came of those.
    let is_for_others = has_many_kinds && exit.is_for_others();
    // SAFETY: the landing's code is live, the GIL is held.
    if is_for_others && unsafe { calls(at) && losing::is_outgrown(executor, number) } {
        // One kind more: from now on it is whatever it is.
        // SAFETY: as above.
        unsafe { note_kind(place_of(at)) };
        exit.temperature.cool();
        return;
    }
    // SAFETY: the GIL is held.
    let waits = || exit.has_to_wait() || exit.does_nothing() && unsafe { losing::thins_out(executor, number) };
    if !is_for_others && (is_one_too_many || waits()) {
        exit.temperature.cool();
        return;
    }
    if let Some(bridge) = exit.target() {
        // It was not to be entered now.
        graph::let_go(bridge);
        return;
    }
    // SAFETY: as for `run`.
    let started = unsafe { recording::start_at_exit(cx, at, executor, number) };
    if started {
        exit.temperature.cool();
    } else {
        exit.temperature.back_off();
    }
}
