//! Starting inside a Python process that the `hotspur` binary has set up.
//!
//! The binary executes `python` with the user's own command line and with this library preloaded. The library puts its
//! own function in the place of `main`; that one does what `python`'s does, except that between the initialization of
//! Python and the program it loads and enables Hotspur. So everything that depends on the command line (flags,
//! `sys.argv`, `sys.path[0]`, `__main__`, the REPL, exit statuses) is done by CPython itself, and there is nothing to
//! imitate or to hide.

use crate::hook;
use hotspur_launcher::handoff::{Handoff, PRELOAD, VARIABLE};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

type Main = unsafe extern "C" fn(c_int, *mut *mut c_char, *mut *mut c_char) -> c_int;
type Hook = unsafe extern "C" fn();
type StartMain =
    unsafe extern "C" fn(Main, c_int, *mut *mut c_char, Option<Hook>, Option<Hook>, Option<Hook>, *mut c_void) -> c_int;

/// The program's own `main`, and what the launcher has told us.
struct Launch {
    main: Main,
    handoff: Handoff,
}

static LAUNCH: OnceLock<Launch> = OnceLock::new();

/// Which engine the launcher has preloaded: null, or the address of that engine's [`LAUNCH`].
///
/// Exported, so that another build of the engine in the same process (one that autoload brings in) can see that this
/// process is taken. All of them see the first one's variable under this name.
#[unsafe(no_mangle)]
pub static HOTSPUR_PRELOADED: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

fn own_identity() -> *mut c_void {
    (&raw const LAUNCH).cast_mut().cast()
}

/// Whether this process belongs to another build of the engine.
pub fn another_engine_is_preloaded() -> bool {
    // SAFETY: a look-up by a NUL-terminated name.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"HOTSPUR_PRELOADED".as_ptr()) };
    let found = found.cast::<AtomicPtr<c_void>>();
    if found.is_null() {
        return false;
    }
    // SAFETY: whoever exports this name is an engine of ours, so that it is such a pointer, and it is never unloaded.
    let owner = unsafe { &*found }.load(Ordering::Relaxed);
    !owner.is_null() && owner != own_identity()
}

/// The C library's function that calls `main`, which every program's start calls: preloaded libraries come before the
/// C library in the search for it.
///
/// # Safety
/// Called by a program's start code only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __libc_start_main(
    main: Main,
    argc: c_int,
    argv: *mut *mut c_char,
    init: Option<Hook>,
    fini: Option<Hook>,
    rtld_fini: Option<Hook>,
    stack_end: *mut c_void,
) -> c_int {
    // SAFETY: a look-up by a NUL-terminated name.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"__libc_start_main".as_ptr()) };
    if next.is_null() {
        // There is no way to run the program. The linker finds this function only if another library has it.
        std::process::abort();
    }
    // SAFETY: the function of that name has this signature on all C libraries that Linux knows.
    let next = unsafe { std::mem::transmute::<*mut c_void, StartMain>(next) };
    // The process has one thread, and nothing has read the environment yet.
    let main = match std::panic::catch_unwind(take_handoff) {
        Ok(Some(handoff)) => {
            LAUNCH.get_or_init(|| Launch { main, handoff });
            hotspur_main
        }
        Ok(None) | Err(_) => main,
    };
    // SAFETY: the arguments are passed on as they came, with a `main` of the same signature.
    unsafe { next(main, argc, argv, init, fini, rtld_fini, stack_end) }
}

/// Reads what the launcher says, and restores the environment as it was before the launcher.
fn take_handoff() -> Option<Handoff> {
    let handoff = Handoff::decode(&std::env::var_os(VARIABLE)?);
    // SAFETY: before `main` there are no other threads that could read the environment.
    unsafe {
        std::env::remove_var(VARIABLE);
        match handoff.as_ref().and_then(|handoff| handoff.preload.as_ref()) {
            Some(preload) => std::env::set_var(PRELOAD, preload),
            None => std::env::remove_var(PRELOAD),
        }
    }
    if let Some(descriptor) = handoff.as_ref().and_then(|handoff| handoff.descriptor) {
        // SAFETY: the launcher has opened it for the dynamic linker alone, which is done with it.
        unsafe { libc::close(descriptor) };
    }
    handoff
}

/// What runs in the place of `python`'s `main`.
unsafe extern "C" fn hotspur_main(argc: c_int, argv: *mut *mut c_char, envp: *mut *mut c_char) -> c_int {
    let Some(launch) = LAUNCH.get() else {
        // It was set before this function was installed.
        std::process::abort();
    };
    let (major, minor) = hotspur_launcher::PYTHON_VERSION;
    // SAFETY: a constant that CPython exports since 3.11.
    let version = unsafe { ffi::Py_Version };
    if version >> 16 != u64::from(major) << 8 | u64::from(minor) {
        hook::warn(&hook::Refusal::OtherVersion);
        // SAFETY: the program's own `main`, called as it would have been.
        return unsafe { (launch.main)(argc, argv, envp) };
    }
    HOTSPUR_PRELOADED.store(own_identity(), Ordering::Relaxed);

    // SAFETY: this is CPython's documented way to start: the structures are initialized before they are read, the
    // arguments live as long as the process.
    unsafe {
        let mut preconfig: ffi::PyPreConfig = std::mem::zeroed();
        ffi::PyPreConfig_InitPythonConfig(&mut preconfig);
        let status = Py_PreInitializeFromBytesArgs(&preconfig, argc as ffi::Py_ssize_t, argv);
        if ffi::PyStatus_Exception(status) != 0 {
            return fail(status);
        }
        let mut config: ffi::PyConfig = std::mem::zeroed();
        ffi::PyConfig_InitPythonConfig(&mut config);
        let mut status = ffi::PyConfig_SetBytesArgv(&mut config, argc as ffi::Py_ssize_t, argv.cast());
        if ffi::PyStatus_Exception(status) == 0 {
            status = Py_InitializeFromConfig(&config);
        }
        ffi::PyConfig_Clear(&mut config);
        if ffi::PyStatus_Exception(status) != 0 {
            return fail(status);
        }
    }

    // No panic and no exception of ours may stop the program: what fails here is a warning.
    let entered = std::panic::catch_unwind(|| {
        // SAFETY: Python was initialized by this thread, which therefore holds the GIL.
        let py = unsafe { Python::assume_attached() };
        enter(py, &launch.handoff)
    });
    match entered {
        Ok(Ok(())) => {}
        Ok(Err(error)) => hook::warn(&error),
        Err(_) => hook::warn(&"internal error"),
    }
    // SAFETY: Python is initialized, and this thread holds the GIL.
    unsafe { ffi::Py_RunMain() }
}

/// The end of a start that has failed, or that ends early (`-V`, `-h`).
unsafe fn fail(status: ffi::PyStatus) -> c_int {
    // SAFETY: a status that CPython has returned.
    unsafe {
        if ffi::PyStatus_IsExit(status) != 0 {
            return status.exitcode;
        }
        Py_ExitStatusException(status)
    }
}

unsafe extern "C" {
    // Missing in `pyo3-ffi`, or declared there with a mutable configuration.
    fn Py_PreInitializeFromBytesArgs(
        config: *const ffi::PyPreConfig,
        argc: ffi::Py_ssize_t,
        argv: *mut *mut c_char,
    ) -> ffi::PyStatus;
    fn Py_InitializeFromConfig(config: *const ffi::PyConfig) -> ffi::PyStatus;
    fn Py_ExitStatusException(status: ffi::PyStatus) -> !;
}

/// Makes `import hotspur` work, whatever `sys.path` is, and enables Hotspur.
pub fn enter(py: Python<'_>, handoff: &Handoff) -> PyResult<()> {
    import(py, handoff)?;
    hook::enable_or_warn(py, hook::Config::from_environment().with(handoff.choices.clone()));
    Ok(())
}

/// Loads `hotspur._hotspur` and `hotspur` from where the launcher says.
///
/// By the loaders that CPython's start has loaded anyway, and not by `import`: that would need a changed `sys.path`, and
/// would show up in `-X importtime`.
fn import(py: Python<'_>, handoff: &Handoff) -> PyResult<()> {
    let modules = py.import("sys")?.getattr("modules")?;
    let external = py.import("_frozen_importlib_external")?;
    let load = py.import("_frozen_importlib")?.getattr("_load")?;
    let spec_from_file = external.getattr("spec_from_file_location")?;

    // Autoload may have brought in an installed package already. It stays if it is this very engine.
    if let Ok(engine) = modules.get_item("hotspur._hotspur") {
        let file: Option<std::path::PathBuf> = engine.getattr("__file__").and_then(|file| file.extract()).ok();
        if file.is_some_and(|file| same_file(&file, &handoff.engine)) {
            return Ok(());
        }
        modules.del_item("hotspur._hotspur")?;
        if modules.contains("hotspur")? {
            modules.del_item("hotspur")?;
        }
    }

    let engine = handoff.engine.as_os_str();
    let loader = external.getattr("ExtensionFileLoader")?.call1(("hotspur._hotspur", engine))?;
    let arguments = pyo3::types::PyDict::new(py);
    arguments.set_item("loader", loader)?;
    let spec = spec_from_file.call(("hotspur._hotspur", engine), Some(&arguments))?;
    let engine = load.call1((spec,))?;

    let file = handoff.package.join("__init__.py");
    let arguments = pyo3::types::PyDict::new(py);
    arguments.set_item("submodule_search_locations", PyList::new(py, [handoff.package.as_os_str()])?)?;
    let spec = spec_from_file.call(("hotspur", file.as_os_str()), Some(&arguments))?;
    let package = load.call1((spec,))?;
    package.setattr("_hotspur", engine)
}

fn same_file(one: &std::path::Path, other: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        (Err(_), _) | (_, Err(_)) => false,
    }
}
