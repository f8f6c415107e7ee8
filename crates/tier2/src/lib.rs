//! Tier 2 inside CPython: executors, where they are attached, what they rely on, and how they run.
//!
//! Read in this order: [`executor`] (what there is), [`driver`] (how it runs), [`runtime`] (what ops mean on real objects and
//! frames), [`recording`] and [`pending`] (how executors come to be), [`invalidate`] and [`watch`] (how they end).
//!
//! **Invariants.** Everything is guarded by the GIL. Making an executor invalid runs no Python code and frees no object. An
//! executor keeps nothing alive that Python code could notice: built-in functions, at most. Nothing runs in an executor while
//! tracing, profiling or monitoring is on.

pub mod bridge;
pub mod driver;
pub mod executor;
pub mod exits;
pub mod graph;
pub(crate) mod heat;
pub mod inspect;
pub mod invalidate;
pub mod jit;
pub(crate) mod likeness;
pub mod locals;
pub(crate) mod losing;
pub mod observe;
pub mod optimize;
pub mod panics;
pub mod params;
pub mod pending;
pub mod recording;
pub mod reliance;
pub mod runtime;
pub mod stats;
pub mod sweep;
pub mod temperature;
pub(crate) mod trial;
pub mod watch;

use core::sync::atomic::{AtomicBool, Ordering};
use hotspur_ir::InvalidationReason;
use hotspur_tier1::code::CodeState;
use hotspur_tier1::context::Context;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::tier2::Tier2;
use recording::Hooks;

static TIER2: Tier2 =
    Tier2 { hot: recording::hot, record, enter: driver::enter, tick: trial::tick, code_freed, tools_changed, counters };

unsafe fn tools_changed(active: bool) {
    // SAFETY: tier 1 calls with the GIL held.
    unsafe {
        trial::set_tools_active(active);
        if let (true, Some(hooks)) = (active, recording::hooks()) {
            (hooks.tools_active)();
        }
    }
}

unsafe fn counters() -> (u16, u16) {
    recording::initial_counters()
}

unsafe fn record(cx: *mut Context, at: State) {
    // SAFETY: tier 1 calls as the hook expects.
    unsafe {
        if let Some(hooks) = recording::hooks() {
            (hooks.record)(cx, at);
        }
    }
}

unsafe fn code_freed(cs: *mut CodeState) {
    // SAFETY: tier 1 calls with the GIL held, before it frees the stream.
    unsafe {
        if let Some(hooks) = recording::hooks() {
            (hooks.code_freed)(cs);
        }
        invalidate::code_freed(cs);
    }
}

static STARTED: AtomicBool = AtomicBool::new(false);

/// Has executors that are made from now on run as machine code.
///
/// # Errors
/// A message for the user when that cannot be.
///
/// # Safety
/// GIL held, tier 1 initialized.
pub unsafe fn use_machine_code() -> Result<(), String> {
    // SAFETY: as the caller promises.
    unsafe { jit::initialize() }
}

/// Sets tier 2 up and registers it with tier 1, once per process. Without hooks nothing is recorded, and executors are those
/// that are attached by hand; a later call with hooks adds recording.
///
/// # Errors
/// A message for the user when the interpreter is not what we know.
///
/// # Safety
/// GIL held, tier 1 initialized.
pub unsafe fn initialize(hooks: Option<Hooks>) -> Result<(), String> {
    // SAFETY: as the caller promises.
    unsafe {
        if hooks.is_some() {
            recording::set_hooks(hooks);
        }
        if STARTED.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Err(messages) = params::set_from_environment() {
            messages.iter().for_each(|message| eprintln!("hotspur: {message}"));
        }
        locals::watch().map_err(String::from)?;
        runtime::prepare();
        hotspur_tier1::register_tier2(&TIER2);
    }
    STARTED.store(true, Ordering::Relaxed);
    Ok(())
}

/// The interpreter is being taken down: no executor is made or entered any more, and what they hold is let go.
///
/// # Safety
/// GIL held, at a place where any code may run.
pub unsafe fn shut_down() {
    // SAFETY: as the caller promises.
    unsafe {
        recording::set_hooks(None);
        jit::background::clear();
        pending::drop_all(InvalidationReason::Shutdown);
        invalidate::invalidate_all(InvalidationReason::Shutdown);
        graph::empty_graveyard();
    }
}

/// For tests: holds compiling in the background up, or lets it go on.
///
/// # Safety
/// GIL held.
pub unsafe fn pause_compiler(on: bool) {
    jit::background::pause(on);
}

/// Installs what was compiled in the background. Answers how many executors are still to come.
///
/// # Safety
/// GIL held.
pub unsafe fn poll() -> usize {
    jit::background::hurry();
    // SAFETY: as the caller promises.
    unsafe { pending::poll() };
    pending::len()
}

/// Whether tier 2 was set up.
pub fn started() -> bool {
    STARTED.load(Ordering::Relaxed)
}
