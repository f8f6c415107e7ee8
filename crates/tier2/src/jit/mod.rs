//! The engine that runs executors as machine code: compiling them, their code memory, and the glue to the code generator.

pub(crate) mod background;
mod functions;
mod gdb;
mod layout;
pub(crate) mod run;
pub(crate) mod symbols;
mod task;

use crate::executor::Executor;
use crate::observe;
use crate::optimize::Job;
use crate::params::Parameter;
use crate::runtime::Plan;
use crate::stats;
use core::cell::{OnceCell, UnsafeCell};
use cranelift_entity::PrimaryMap;
use gdb::Registration;
use hotspur_codegen::{
    Code, CodeSpace, Compiler, Environment, Goal, Installed, Layout, Options, Passage, SnapshotInfo,
};
use hotspur_ir::{AbortReason, SnapshotId};
use std::collections::HashMap;
use task::References;
pub(crate) use task::{Made, Task};

/// Machine code of an executor.
#[derive(Debug)]
pub struct MachineCode {
    installed: Option<Installed>,
    /// What gdb knows of it.
    _registration: Option<Registration>,
    /// Where live values are, by snapshot.
    pub(crate) snapshots: PrimaryMap<SnapshotId, SnapshotInfo>,
    /// How frames are shown, by snapshot, as soon as that was asked for.
    pub(crate) plans: Box<[OnceCell<Option<Plan>>]>,
    /// Bytes.
    pub sizes: hotspur_codegen::Sizes,
}

impl MachineCode {
    /// Where the code begins.
    pub(crate) fn entry(&self) -> *const u8 {
        self.installed.as_ref().map_or(core::ptr::null(), Installed::entry)
    }

    /// The code itself.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.installed.as_ref().map_or(&[], bytes)
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

/// Installed code, to be looked at.
fn bytes(installed: &Installed) -> &[u8] {
    // SAFETY: the memory can be read as long as the code is installed, and nobody writes to it.
    unsafe { core::slice::from_raw_parts(installed.entry(), installed.size()) }
}

/// What code calls, by address.
fn callees() -> HashMap<u64, String> {
    with(|jit| jit.space.callees().map(|(address, callee)| (address, callee.name().to_owned())).collect())
        .unwrap_or_default()
}

/// The machine code of a passage.
#[derive(Debug)]
pub(crate) struct PassageCode {
    installed: Option<Installed>,
    /// What gdb knows of it.
    _registration: Option<Registration>,
}

impl PassageCode {
    /// Where it begins.
    pub(crate) fn entry(&self) -> *const u8 {
        self.installed.as_ref().map_or(core::ptr::null(), Installed::entry)
    }

    /// The code itself.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.installed.as_ref().map_or(&[], bytes)
    }
}

impl Drop for PassageCode {
    fn drop(&mut self) {
        if let Some(installed) = self.installed.take() {
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
    /// What exits lead to that go on where tier 1 has landed.
    landing_exit: *const u8,
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
        let mut space = CodeSpace::new(&mut compiler, &functions::host_functions(), limit)
            .map_err(|refusal| refusal.to_string())?;
        let layout = layout::layout();
        let landing_exit =
            space.landing_exit(&mut compiler, &layout, &layout::landings()).map_err(|r| r.to_string())?;
        *JIT.0.get() = Some(Jit { compiler, space, layout, landing_exit });
    }
    Ok(())
}

/// Whether executors are to be machine code.
pub(crate) fn is_on() -> bool {
    with(|_| ()).is_some()
}

/// Whether executors get their machine code later, from [`background`].
pub(crate) fn in_background() -> bool {
    is_on() && Parameter::Background.get() != 0
}

/// What exits lead to that lead to the host.
pub(crate) fn cold_exit() -> *const u8 {
    with(|jit| jit.space.cold_exit()).unwrap_or(core::ptr::null())
}

/// Where a passage is to lead.
pub(crate) enum To<'a> {
    /// To an executor, which has machine code.
    Executor(&'a Executor),
    /// To tier 1, at a position in the code of the exit's top frame.
    Tier1(u32),
}

/// Makes machine code that leads on from an exit, which the host has made frames for until now.
///
/// # Errors
/// There is no memory for it, or it cannot be compiled.
///
/// # Safety
/// As for [`compile`]; the executor has machine code.
pub(crate) unsafe fn compile_passage(
    executor: &Executor,
    number: usize,
    to: To<'_>,
) -> Result<PassageCode, AbortReason> {
    let exit = &executor.exits()[number];
    let (taken, goal, target) = match to {
        To::Executor(target) => {
            let open = (&raw const target.go).expose_provenance() as u64;
            let code = target.entry.get().expose_provenance() as u64;
            (&raw const exit.linked, Goal::Executor { open, code }, Some(target))
        }
        To::Tier1(position) => {
            let (counter, step) = exit.temperature.countdown();
            let counter = counter.expose_provenance() as u64;
            (&raw const exit.cold, Goal::Tier1 { position, counter, step }, None)
        }
    };
    // SAFETY: as the caller promises.
    let lists = unsafe { observe::lists(executor) };
    let made = with(|jit| {
        let passage = Passage {
            snapshot: exit.snapshot,
            live: &executor.code().snapshots[exit.snapshot].live,
            taken: taken.expose_provenance() as u64,
            goal,
            otherwise: jit.space.cold_exit().expose_provenance() as u64,
        };
        // SAFETY: as the caller promises.
        let references = unsafe { References::of(executor, &jit.layout) }.ok_or(AbortReason::OutOfMemory)?;
        let environment = Environment { lists, ..references.environment() };
        let code = jit.compiler.compile_passage(&executor.trace().superblock, &environment, &passage);
        let code = code.map_err(|refusal| refusal.reason)?;
        // SAFETY: the code was compiled for this exit; machine code is out at the host.
        let installed = unsafe { jit.space.install(&code) }.map_err(|refusal| refusal.reason)?;
        Ok((installed, code))
    });
    let (installed, code) = made.unwrap_or(Err(AbortReason::CompileFailed))?;
    observe::passage(executor, number, target);
    // SAFETY: as the caller promises.
    unsafe {
        stats::count(|s| s.passages += 1);
        observe::passage_compiled(executor, number, &code, bytes(&installed), &mut callees);
    }
    let _registration = symbols::of_passage(executor, number, target, &installed);
    Ok(PassageCode { installed: Some(installed), _registration })
}

/// What optimizing and compiling an executor takes. None if the engine is not in use.
///
/// # Errors
/// See [`Task::new`].
///
/// # Safety
/// GIL held, what the executor refers to is live.
pub(crate) unsafe fn task(executor: &Executor, job: Job) -> Option<Result<Task, AbortReason>> {
    // SAFETY: as the caller promises.
    with(|jit| unsafe { Task::new(executor, job, &jit.layout, jit.space.cold_exit()) })
}

/// Optimizes and compiles at once, in this thread.
pub(crate) fn compile(task: Task) -> Result<Made, AbortReason> {
    with(|jit| task.run(&mut jit.compiler)).unwrap_or(Err(AbortReason::CompileFailed))
}

/// Gives an executor machine code that was compiled for it.
///
/// # Errors
/// There is no room for it.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn install(executor: &Executor, code: &Code) -> Result<(), AbortReason> {
    let made = with(|jit| {
        // SAFETY: the code was compiled for this executor, and whoever executes code holds the GIL.
        let installed = unsafe { jit.space.install(code) }.map_err(|refusal| refusal.reason)?;
        for exit in executor.exits() {
            let landed = exit.resume == hotspur_ir::Resume::Landed;
            exit.code.set(if landed { jit.landing_exit } else { jit.space.cold_exit() });
        }
        Ok((installed, jit.space.statistics().used))
    });
    let (installed, used): (Installed, usize) = made.unwrap_or(Err(AbortReason::CompileFailed))?;
    // SAFETY: the GIL is held.
    unsafe {
        stats::count(|s| {
            s.code_bytes = used as u64;
            s.compile_nanoseconds += code.time.as_nanos() as u64;
            s.micro_ops_compiled += executor.trace().superblock.insts().count() as u64;
        });
    }
    executor.set_code(MachineCode {
        _registration: symbols::of_executor(executor, &installed),
        installed: Some(installed),
        snapshots: code.snapshots.clone(),
        plans: code.snapshots.iter().map(|_| OnceCell::new()).collect(),
        sizes: code.sizes,
    });
    // SAFETY: as the caller promises.
    unsafe { observe::compiled(executor, code, &mut callees) };
    Ok(())
}
