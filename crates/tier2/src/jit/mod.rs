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
    Code, CodeSpace, Compiler, Constants, Environment, ExitTable, Installed, Layout, Options, Passage, Prologue,
    SnapshotInfo,
};
use hotspur_cpython_sys::PyCodeObject;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_ir::{AbortReason, CodeRef, ObjRef, SnapshotId};
use hotspur_tier1::code::{self, Word};

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

/// The machine code of a passage.
#[derive(Debug)]
pub(crate) struct PassageCode(Option<Installed>);

impl PassageCode {
    /// Where it begins.
    pub(crate) fn entry(&self) -> *const u8 {
        self.0.as_ref().map_or(core::ptr::null(), Installed::entry)
    }
}

impl Drop for PassageCode {
    fn drop(&mut self) {
        if let Some(installed) = self.0.take() {
            // SAFETY: nothing leads to it any more. Nobody is in it: what passages call neither runs other code nor makes anything
            // invalid.
            with(|jit| unsafe { jit.space.remove(installed) });
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
    codes: Vec<CodeAddresses>,
}

/// Of a code object.
struct CodeAddresses {
    object: u64,
    stream: u64,
    words: u64,
    locals: u32,
}

impl Addresses {
    /// None if there is no memory.
    unsafe fn of(executor: &Executor) -> Option<Addresses> {
        let address = |object: *mut PyObject| object.expose_provenance() as u64;
        let code = |code: *mut PyCodeObject| {
            // SAFETY: the trace's code objects are live. The streams live as long as the executor is valid.
            unsafe {
                let stream = code::state_of(code);
                (!stream.is_null()).then(|| CodeAddresses {
                    object: code.expose_provenance() as u64,
                    stream: stream.expose_provenance() as u64,
                    words: (*stream).words.expose_provenance() as u64,
                    locals: (*code).co_nlocalsplus as u32,
                })
            }
        };
        Some(Addresses {
            objects: executor.trace.objects.iter().map(|o| address(o.object)).collect(),
            codes: executor.trace.codes.iter().map(|&c| code(c)).collect::<Option<_>>()?,
        })
    }

    fn of_code(&self, code: CodeRef) -> &CodeAddresses {
        &self.codes[code.as_u32() as usize]
    }
}

impl Constants for Addresses {
    fn object(&self, object: ObjRef) -> u64 {
        self.objects[object.as_u32() as usize]
    }
    fn code(&self, code: CodeRef) -> u64 {
        self.of_code(code).object
    }
    fn locals(&self, code: CodeRef) -> u32 {
        self.of_code(code).locals
    }
    fn instruction(&self, code: CodeRef, pc: u32) -> u64 {
        self.of_code(code).words + u64::from(pc) * size_of::<Word>() as u64
    }
    fn stream(&self, code: CodeRef) -> u64 {
        self.of_code(code).stream
    }
}

/// What exits lead to that lead to the host.
pub(crate) fn cold_exit() -> *const u8 {
    with(|jit| jit.space.cold_exit()).unwrap_or(core::ptr::null())
}

/// The environment of an executor's code.
fn environment<'a>(executor: &Executor, layout: &'a Layout, addresses: &'a Addresses) -> Environment<'a> {
    fn address<T: ?Sized>(object: &T) -> u64 {
        (&raw const *object).cast::<u8>().expose_provenance() as u64
    }
    Environment {
        layout: Some(layout),
        constants: addresses,
        exits: ExitTable {
            base: executor.exits.as_ptr().expose_provenance() as u64,
            stride: size_of::<Exit>() as u32,
            code: offset_of!(Exit, code) as u32,
        },
        valid: address(&executor.go),
        prologue: Some(Prologue {
            executor: address(executor),
            warm: address(&executor.warm),
            runs: address(&executor.runs),
            rounds: address(&executor.rounds),
        }),
    }
}

/// Makes machine code that leads from an exit of one executor, which the host has made frames for until now, to another one.
///
/// # Errors
/// There is no memory for it, or it cannot be compiled.
///
/// # Safety
/// As for [`compile`]; both have machine code.
pub(crate) unsafe fn compile_passage(
    executor: &Executor,
    exit: &Exit,
    target: &Executor,
) -> Result<PassageCode, AbortReason> {
    // SAFETY: as the caller promises.
    let addresses = unsafe { Addresses::of(executor) }.ok_or(AbortReason::OutOfMemory)?;
    let made = with(|jit| {
        let passage = Passage {
            snapshot: exit.snapshot,
            live: &executor.code().snapshots[exit.snapshot].live,
            taken: (&raw const exit.linked).expose_provenance() as u64,
            open: (&raw const target.go).expose_provenance() as u64,
            target: target.entry.get().expose_provenance() as u64,
            otherwise: jit.space.cold_exit().expose_provenance() as u64,
        };
        let environment = environment(executor, &jit.layout, &addresses);
        let code = jit.compiler.compile_passage(&executor.trace.superblock, &environment, &passage);
        let code = code.map_err(|refusal| refusal.reason)?;
        // SAFETY: the code was compiled for this exit; machine code is out at the host.
        unsafe { jit.space.install(&code) }.map_err(|refusal| refusal.reason)
    });
    Ok(PassageCode(Some(made.unwrap_or(Err(AbortReason::CompileFailed))?)))
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
    let addresses = unsafe { Addresses::of(executor) }.ok_or(AbortReason::OutOfMemory)?;
    let made = with(|jit| {
        let environment = environment(executor, &jit.layout, &addresses);
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
