//! The frame-evaluation hook (PEP 523): putting it in place, taking it away, and saying no.

use hotspur_cpython_sys as sys;
use hotspur_launcher::command_line::{Choices, Engine, StatsForm, Tier};
use hotspur_launcher::views::Views;
use pyo3::ffi;
use pyo3::prelude::*;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// What stands behind the hook. Everything that this package needs of tier 1 is named here.
mod tier1 {
    pub use hotspur_tier1::eval_frame;

    /// Sets tier 1 up; see [`hotspur_tier1::initialize`].
    pub fn initialize(config: &super::Config) -> Result<(), String> {
        // SAFETY: the caller holds the main interpreter's GIL, and the layout was verified.
        unsafe {
            hotspur_tier1::initialize(&hotspur_tier1::Config { stress: config.stress, set_hook: super::tools_changed })
        }
    }

    /// What tier 1 did so far.
    pub fn counters() -> Vec<(&'static str, u64)> {
        let counters = hotspur_tier1::counters();
        vec![
            ("entries", counters.entries),
            ("passed_on", counters.passed_on),
            ("handed_over", counters.handed_over),
            ("decoded", counters.decoded),
            ("instructions", counters.instructions),
            // SAFETY: callers hold the GIL.
            ("executor_entries", unsafe { hotspur_tier2::stats::snapshot() }.entries),
        ]
    }

    /// See [`hotspur_cpython_sys::verify`].
    pub fn verify() -> Result<(), String> {
        hotspur_cpython_sys::verify::verify().map_err(|error| error.to_string())
    }
}

/// Whether the user wants Hotspur on, and whether a tool (tracing, profiling, monitoring) has it step aside. Both are
/// changed with the GIL held only.
static WANTED: AtomicBool = AtomicBool::new(false);
static ASIDE: AtomicBool = AtomicBool::new(false);

/// Tier 1 says that tools were switched on (the hook is to go) or off.
fn tools_changed(install: bool) {
    ASIDE.store(!install, Ordering::Relaxed);
    if WANTED.load(Ordering::Relaxed) {
        // SAFETY: tier 1 calls with the GIL held.
        unsafe { place(install) };
    }
}

/// Puts our function in place of the stock one, or the stock one in place of ours; never touches somebody else's.
///
/// # Safety
/// The GIL must be held.
unsafe fn place(ours: bool) {
    let (from, to): (sys::FrameEvalFunction, sys::FrameEvalFunction) = if ours {
        (sys::_PyEval_EvalFrameDefault, tier1::eval_frame)
    } else {
        (tier1::eval_frame, sys::_PyEval_EvalFrameDefault)
    };
    // SAFETY: with the GIL held there is a current interpreter, and it can change its function between any two frames.
    unsafe {
        let interpreter = ffi::PyInterpreterState_Get();
        if same_function(sys::_PyInterpreterState_GetEvalFrameFunc(interpreter), from) {
            sys::_PyInterpreterState_SetEvalFrameFunc(interpreter, to);
        }
    }
}

/// How the engine is to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Everything from the first call on in our own tiers.
    pub stress: bool,
    /// The highest tier.
    pub tier: Tier,
    /// What executors run on.
    pub engine: Engine,
    /// Whether, and how, statistics are printed at the end of the process.
    pub stats: Option<StatsForm>,
    /// What is shown of traces.
    pub views: Views,
}

impl Config {
    /// What the environment variables say, for everything that they can say.
    pub fn from_environment() -> Config {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Config {
            stress: variable("HOTSPUR_STRESS").is_some_and(|value| value != "0"),
            tier: variable("HOTSPUR_TIER").and_then(|name| Tier::from_name(&name)).unwrap_or(Tier::Two),
            engine: variable("HOTSPUR_ENGINE").and_then(|name| Engine::from_name(&name)).unwrap_or(Engine::Jit),
            stats: variable("HOTSPUR_STATS").and_then(|form| StatsForm::from_name(&form)),
            views: Views::from_environment(),
        }
    }

    /// The same with what was chosen on the command line.
    pub fn with(self, choices: Choices) -> Config {
        Config {
            tier: choices.tier.unwrap_or(self.tier),
            engine: choices.engine.unwrap_or(self.engine),
            stats: choices.stats.or(self.stats),
            views: self.views.with(choices.views),
            ..self
        }
    }
}

/// Why Hotspur does not run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `HOTSPUR=0`: the user's wish, and so nothing to warn of.
    SwitchedOff,
    /// Another minor version of CPython.
    OtherVersion,
    /// No global interpreter lock.
    FreeThreaded,
    /// Not the main interpreter.
    SubInterpreter,
    /// Someone else has the hook.
    HookTaken,
    /// The private structures are not what this build was made for.
    Layout(String),
    /// The interpreter behind the hook does not start.
    Engine(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = hotspur_launcher::PYTHON_VERSION;
        match self {
            Refusal::SwitchedOff => write!(f, "switched off by HOTSPUR=0"),
            Refusal::OtherVersion => {
                write!(f, "this build is for CPython {major}.{minor}, and this is {}", python_release())
            }
            Refusal::FreeThreaded => {
                write!(f, "free-threaded builds such as this CPython {} are not supported", python_release())
            }
            Refusal::SubInterpreter => write!(f, "sub-interpreters are not supported"),
            Refusal::HookTaken => {
                write!(f, "another frame-evaluation function is in place (a debugger, a profiler, -X perf)")
            }
            Refusal::Layout(what) => {
                write!(f, "CPython {} is not as expected: {what}", python_release())
            }
            Refusal::Engine(what) => write!(f, "{what}"),
        }
    }
}

/// The version of the running Python, such as `3.13.5`.
pub fn python_release() -> String {
    // SAFETY: a constant that CPython exports since 3.11.
    let version = unsafe { ffi::Py_Version };
    format!("{}.{}.{}", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff)
}

/// What has been found out, and what has been started.
struct State {
    /// Why not, if the last attempt to enable failed.
    refusal: Option<Refusal>,
    /// What the engine was started with.
    started: Option<Config>,
}

static STATE: Mutex<State> = Mutex::new(State { refusal: None, started: None });

fn state() -> MutexGuard<'static, State> {
    // The state is written in single assignments, so that a panic cannot have left it half done.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether tier 1 was ever started in this process.
pub fn started() -> bool {
    state().started.is_some()
}

/// The private layout is checked once per process.
fn layout() -> &'static Result<(), String> {
    static LAYOUT: OnceLock<Result<(), String>> = OnceLock::new();
    LAYOUT.get_or_init(tier1::verify)
}

/// What can be told without touching anything private.
fn fits(py: Python<'_>) -> Result<(), Refusal> {
    let (major, minor) = hotspur_launcher::PYTHON_VERSION;
    // SAFETY: a constant that CPython exports since 3.11.
    let version = unsafe { ffi::Py_Version };
    if version >> 16 != u64::from(major) << 8 | u64::from(minor) {
        return Err(Refusal::OtherVersion);
    }
    // The `abiflags` of free-threaded builds have a `t`; the same structures with another layout.
    let flags = py.import("sys").and_then(|sys| sys.getattr("abiflags")).ok();
    let flags: String = flags.and_then(|flags| flags.extract().ok()).unwrap_or_default();
    if flags.contains('t') {
        return Err(Refusal::FreeThreaded);
    }
    Ok(())
}

fn same_function(one: sys::FrameEvalFunction, other: sys::FrameEvalFunction) -> bool {
    std::ptr::fn_addr_eq(one, other)
}

/// The function that evaluates this interpreter's frames.
fn current_function(_py: Python<'_>) -> sys::FrameEvalFunction {
    // SAFETY: we hold the GIL, so that there is a current interpreter.
    unsafe { sys::_PyInterpreterState_GetEvalFrameFunc(ffi::PyInterpreterState_Get()) }
}

fn try_enable(py: Python<'_>, config: Config) -> Result<(), Refusal> {
    if hotspur_launcher::switched_off() {
        return Err(Refusal::SwitchedOff);
    }
    fits(py)?;
    if !is_main_interpreter(py) {
        return Err(Refusal::SubInterpreter);
    }
    let current = current_function(py);
    if same_function(current, tier1::eval_frame) {
        return Ok(());
    }
    if !same_function(current, sys::_PyEval_EvalFrameDefault) {
        return Err(Refusal::HookTaken);
    }
    layout().clone().map_err(Refusal::Layout)?;
    if state().started.is_none() {
        tier1::initialize(&config).map_err(Refusal::Engine)?;
        if config.tier >= Tier::Two {
            // Without the log and dumps the program runs as well.
            if let Err(message) = crate::views::start(&config.views) {
                eprintln!("hotspur: {message}");
            }
            crate::recording::start(config.engine, config.stress).map_err(Refusal::Engine)?;
            // Without it, executors go when what they rely on does.
            if let Err(error) = crate::shutdown::install(py) {
                error.write_unraisable(py, None);
            }
        }
        state().started = Some(config.clone());
    }
    WANTED.store(true, Ordering::Relaxed);
    if !ASIDE.load(Ordering::Relaxed) {
        // SAFETY: we hold the GIL.
        unsafe { place(true) };
        // SAFETY: we hold the GIL, and have just installed it.
        if !unsafe { hotspur_tier1::hook_is_found() } {
            disable(py);
            return Err(Refusal::Layout("the frame evaluation function is kept elsewhere".into()));
        }
    }
    crate::report::install(py);
    if let Some(form) = config.stats {
        let shown = py
            .import("hotspur._inspection")
            .and_then(|module| module.call_method1("print_at_exit", (form.name(),)).map(drop));
        // Without statistics the program runs as well.
        if let Err(error) = shown {
            error.write_unraisable(py, None);
        }
    }
    Ok(())
}

/// Enables Hotspur in this interpreter and says whether it is enabled now. If not, everything stays as it was, and one
/// line on standard error says why.
pub fn enable_or_warn(py: Python<'_>, config: Config) -> bool {
    let refusal = try_enable(py, config).err();
    let enabled = refusal.is_none();
    if let Some(refusal) = &refusal
        && *refusal != Refusal::SwitchedOff
    {
        warn(refusal);
    }
    state().refusal = refusal;
    enabled
}

/// The line that says why a program runs without Hotspur.
pub fn warn(reason: &dyn fmt::Display) {
    eprintln!("hotspur: {reason}; running on stock CPython");
}

/// Takes our hook away, if it is ours that is in place.
pub fn disable(py: Python<'_>) {
    if is_enabled(py) {
        WANTED.store(false, Ordering::Relaxed);
        // SAFETY: we hold the GIL.
        unsafe { place(false) };
    }
}

/// Whether our hook is in place in this interpreter.
pub fn is_enabled(py: Python<'_>) -> bool {
    if fits(py).is_err() {
        return false;
    }
    // SAFETY: we hold the GIL.
    unsafe { is_installed(ffi::PyInterpreterState_Get()) }
}

/// Whether our hook is in place in this interpreter, at a time when little of it is left.
///
/// # Safety
/// The GIL must be held, and the interpreter must be one that has had our hook.
pub unsafe fn is_installed(interpreter: *mut ffi::PyInterpreterState) -> bool {
    // SAFETY: as the caller promises.
    let current = unsafe { sys::_PyInterpreterState_GetEvalFrameFunc(interpreter) };
    let aside = ASIDE.load(Ordering::Relaxed) && same_function(current, sys::_PyEval_EvalFrameDefault);
    WANTED.load(Ordering::Relaxed) && (aside || same_function(current, tier1::eval_frame))
}

/// Whether this is not a sub-interpreter.
pub fn is_main_interpreter(_py: Python<'_>) -> bool {
    // SAFETY: we hold the GIL.
    unsafe { ffi::PyInterpreterState_Get() == ffi::PyInterpreterState_Main() }
}

/// Whether perf's trampoline is the frame evaluation function.
pub fn perf_has_it(py: Python<'_>) -> bool {
    let active = py.import("sys").and_then(|sys| sys.call_method0("is_stack_trampoline_active"));
    active.and_then(|active| active.is_truthy()).unwrap_or(false)
}

/// The engine's counters.
pub fn counters() -> Vec<(&'static str, u64)> {
    tier1::counters()
}

/// What `hotspur.info()` tells of the hook.
pub struct Description {
    /// Whether it is in place.
    pub enabled: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The tiers in use.
    pub tiers: Vec<&'static str>,
    /// Stress mode.
    pub stress: bool,
    /// `ok`, or what is wrong with the private layout, or `None` if that was never looked at.
    pub layout: Option<String>,
}

/// See [`Description`].
pub fn describe(py: Python<'_>) -> Description {
    let enabled = is_enabled(py);
    let fits = fits(py);
    let layout = fits.is_ok().then(|| match layout() {
        Ok(()) => "ok".to_string(),
        Err(what) => what.clone(),
    });
    let state = state();
    let config = state.started.clone().unwrap_or_else(Config::from_environment);
    let refusal = state.refusal.clone().or(fits.err());
    let reason = if enabled {
        None
    } else if let Some(refusal) = refusal {
        Some(refusal.to_string())
    } else if hotspur_launcher::switched_off() {
        Some(Refusal::SwitchedOff.to_string())
    } else if state.started.is_some() {
        Some("disabled".to_string())
    } else {
        Some("never enabled".to_string())
    };
    Description {
        enabled,
        reason,
        tiers: Tier::ALL.iter().filter(|&&tier| enabled && tier <= config.tier).map(|tier| tier.name()).collect(),
        stress: config.stress,
        layout,
    }
}
