//! The engine that runs executors as machine code: compiling them, their code memory, and the glue to the code generator.

mod functions;
mod layout;
pub(crate) mod run;

use crate::executor::Executor;
use crate::exits::Exit;
use crate::params::Parameter;
use crate::stats;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use cranelift_entity::PrimaryMap;
use hotspur_codegen::{
    Code, CodeSpace, Compiler, Constants, Environment, ExitTable, Installed, Layout, Options, SnapshotInfo,
};
use hotspur_cpython_sys::PyCodeObject;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_ir::{AbortReason, CodeRef, ObjRef, SnapshotId};

/// Machine code of an executor.
#[derive(Debug)]
pub struct MachineCode {
    installed: Option<Installed>,
    /// Where live values are, by snapshot.
    pub(crate) snapshots: PrimaryMap<SnapshotId, SnapshotInfo>,
    /// Bytes.
    pub sizes: hotspur_codegen::Sizes,
}

impl MachineCode {
    /// Where the code begins.
    pub(crate) fn entry(&self) -> *const u8 {
        self.installed.as_ref().map_or(core::ptr::null(), Installed::entry)
    }
}

impl Drop for MachineCode {
    fn drop(&mut self) {
        if let Some(installed) = self.installed.take() {
            with(|jit| {
                // SAFETY: nobody runs an executor that is being freed.
                unsafe { jit.space.remove(installed) };
                // SAFETY: the GIL is held.
                unsafe { stats::count(|s| s.code_bytes = jit.space.statistics().used as u64) };
            });
        }
    }
}

/// The compiler and its memory. There is one for the process, and it is guarded by the GIL.
struct Jit {
    compiler: Compiler,
    space: CodeSpace,
    layout: Layout,
}

struct Global(UnsafeCell<Option<Jit>>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Global {}
static JIT: Global = Global(UnsafeCell::new(None));

/// `f` must not come back here.
fn with<T>(f: impl FnOnce(&mut Jit) -> T) -> Option<T> {
    // SAFETY: the GIL is held, and nothing that is called with the reference asks for another one.
    unsafe { (*JIT.0.get()).as_mut() }.map(f)
}

/// Sets the engine up.
///
/// # Errors
/// There is no memory for code, or the code generator does not know the machine.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn initialize() -> Result<(), String> {
    // SAFETY: as the caller promises.
    unsafe {
        if (*JIT.0.get()).is_some() {
            return Ok(());
        }
        let mut compiler = Compiler::new(Options::default())?;
        let limit = Parameter::CodeBytes.get() as usize;
        let space = CodeSpace::new(&mut compiler, &functions::host_functions(), limit)
            .map_err(|refusal| refusal.to_string())?;
        *JIT.0.get() = Some(Jit { compiler, space, layout: layout::layout() });
    }
    Ok(())
}

/// Whether executors are to be machine code.
pub(crate) fn is_on() -> bool {
    with(|_| ()).is_some()
}

fn enter() -> hotspur_codegen::Enter {
    with(|jit| jit.space.enter()).expect("machine code exists")
}

/// What a superblock's references are as addresses. Plain numbers: the compiler may run without the GIL.
struct Addresses {
    objects: Vec<u64>,
    codes: Vec<(u64, u32)>,
}

impl Addresses {
    unsafe fn of(executor: &Executor) -> Addresses {
        let address = |object: *mut PyObject| object.expose_provenance() as u64;
        let code = |code: *mut PyCodeObject| {
            // SAFETY: the trace's code objects are live.
            (code.expose_provenance() as u64, unsafe { (*code).co_nlocalsplus } as u32)
        };
        Addresses {
            objects: executor.trace.objects.iter().map(|o| address(o.object)).collect(),
            codes: executor.trace.codes.iter().map(|&c| code(c)).collect(),
        }
    }
}

impl Constants for Addresses {
    fn object(&self, object: ObjRef) -> u64 {
        self.objects[object.as_u32() as usize]
    }
    fn code(&self, code: CodeRef) -> u64 {
        self.codes[code.as_u32() as usize].0
    }
    fn locals(&self, code: CodeRef) -> u32 {
        self.codes[code.as_u32() as usize].1
    }
}

/// Gives an executor machine code.
///
/// # Errors
/// There is no memory for it, or it cannot be compiled.
///
/// # Safety
/// GIL held, what the executor refers to is live.
pub(crate) unsafe fn compile(executor: &Executor) -> Result<(), AbortReason> {
    // SAFETY: as the caller promises.
    let addresses = unsafe { Addresses::of(executor) };
    let made = with(|jit| {
        let exits = ExitTable {
            base: executor.exits.as_ptr().expose_provenance() as u64,
            stride: size_of::<Exit>() as u32,
            code: offset_of!(Exit, code) as u32,
        };
        let environment = Environment {
            layout: Some(&jit.layout),
            constants: &addresses,
            exits,
            valid: (&raw const executor.go).expose_provenance() as u64,
        };
        let code = jit.compiler.compile(&executor.trace.superblock, &environment).map_err(|refusal| refusal.reason)?;
        // SAFETY: the code was compiled for this executor.
        let installed = unsafe { jit.space.install(&code) }.map_err(|refusal| refusal.reason)?;
        for exit in &executor.exits {
            exit.code.set(jit.space.cold_exit());
        }
        Ok((code, installed, jit.space.statistics().used))
    });
    let (code, installed, used): (Code, Installed, usize) = made.unwrap_or(Err(AbortReason::CompileFailed))?;
    // SAFETY: the GIL is held.
    unsafe { stats::count(|s| s.code_bytes = used as u64) };
    let Code { snapshots, sizes, .. } = code;
    executor.set_code(MachineCode { installed: Some(installed), snapshots, sizes });
    Ok(())
}
