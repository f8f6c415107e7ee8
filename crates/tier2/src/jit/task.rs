//! What compiling an executor takes, in plain numbers: no thread state, no reference to anything that the GIL guards.
//!
//! The numbers are addresses of objects, of the executor's exits and flags. The compiler writes them into the code and looks at none
//! of what is there. So they may be stale by the time the code is made; it is then never installed.

use crate::executor::Executor;
use crate::exits::Exit;
use crate::optimize::{Job, Prepared};
use crate::runtime::suspended_at;
use crate::{driver, observe};
use core::mem::offset_of;
use hotspur_codegen::{Bridge, Code, Compiler, Constants, Environment, ExitTable, Layout, Prologue};
use hotspur_cpython_sys::{CodeUnit, PyCodeObject, code_units};
use hotspur_ir::{AbortReason, CodeRef, ObjRef};
use hotspur_recorder::Object;
use hotspur_tier1::code::{self, CodeState, Word};
use std::collections::HashMap;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Task {
    job: Job,
    references: References,
    bridge: Option<Bridge>,
    /// Whether somebody wants to look at the code.
    lists: bool,
}

const fn may_go_to_another_thread<T: Send>() {}
const _: () = may_go_to_another_thread::<Task>();
const _: () = may_go_to_another_thread::<Made>();

/// What has come of a task: what the executor executes, and machine code for it.
#[derive(Debug)]
pub(crate) struct Made {
    /// For [`Executor::prepare`].
    pub prepared: Prepared,
    /// Refers to the exits of `prepared`.
    pub code: Code,
}

impl Task {
    /// For an executor that is not prepared yet. `cold_exit`: where exits lead that lead nowhere.
    ///
    /// # Errors
    /// There is no memory, or the executor whose exit it grows from is gone.
    ///
    /// # Safety
    /// GIL held, what the executor refers to is live.
    pub(super) unsafe fn new(
        executor: &Executor,
        job: Job,
        layout: &Layout,
        cold_exit: *const u8,
    ) -> Result<Task, AbortReason> {
        // SAFETY: as the caller promises.
        let references = unsafe { References::of(executor, layout) }.ok_or(AbortReason::OutOfMemory)?;
        let bridge = bridge(executor, cold_exit)?;
        // SAFETY: as the caller promises.
        let lists = unsafe { observe::lists(executor) };
        Ok(Task { job, references, bridge, lists })
    }

    /// Optimizes and compiles, in whatever thread.
    pub(super) fn run(self, compiler: &mut Compiler) -> Result<Made, AbortReason> {
        let Task { job, mut references, bridge, lists } = self;
        let prepared = job.run()?;
        references.refer_to(&prepared.objects, &prepared.exits);
        let environment = Environment { bridge: bridge.as_ref(), lists, ..references.environment() };
        let code = compiler.compile(&prepared.superblock, &environment).map_err(|refusal| refusal.reason)?;
        Ok(Made { prepared, code })
    }
}

/// What an executor's code refers to.
#[derive(Debug)]
pub(super) struct References {
    layout: Layout,
    addresses: Addresses,
    exits: ExitTable,
    valid: u64,
    prologue: Prologue,
}

impl References {
    /// None if there is no memory.
    ///
    /// # Safety
    /// GIL held, what the executor refers to is live.
    pub(super) unsafe fn of(executor: &Executor, layout: &Layout) -> Option<References> {
        fn address<T: ?Sized>(object: &T) -> u64 {
            (&raw const *object).cast::<u8>().expose_provenance() as u64
        }
        let mut references = References {
            layout: *layout,
            // SAFETY: as the caller promises.
            addresses: unsafe { Addresses::of(executor) }?,
            exits: ExitTable { base: 0, stride: size_of::<Exit>() as u32, code: offset_of!(Exit, code) as u32 },
            valid: address(&executor.go),
            prologue: Prologue {
                executor: address(executor),
                warm: address(&executor.warm),
                runs: address(&executor.runs),
                rounds: address(&executor.rounds),
            },
        };
        references.refer_to(&executor.trace().objects, executor.exits());
        Some(references)
    }

    /// Has these constants, and these exits.
    fn refer_to(&mut self, objects: &[Object], exits: &[Exit]) {
        self.addresses.objects = objects.iter().map(|o| o.object.expose_provenance() as u64).collect();
        self.exits.base = exits.as_ptr().expose_provenance() as u64;
    }

    /// The same, for the compiler.
    pub(super) fn environment(&self) -> Environment<'_> {
        Environment {
            layout: Some(&self.layout),
            constants: &self.addresses,
            exits: self.exits,
            valid: self.valid,
            epoch: crate::locals::epoch_address(),
            prologue: Some(self.prologue),
            bridge: None,
            failing: driver::failing(),
            lists: false,
        }
    }
}

/// How a bridge takes over from its exit; none if it is no bridge.
fn bridge(executor: &Executor, cold_exit: *const u8) -> Result<Option<Bridge>, AbortReason> {
    let Some((parent, number)) = executor.grown_from.get() else { return Ok(None) };
    let parent = crate::graph::find(parent).ok_or(AbortReason::ExecutorRemoved)?;
    let exit = &parent.exits()[number];
    let is_there = parent.is_valid() && parent.has_code();
    let bridge = is_there.then(|| Bridge {
        params: parent.code().snapshots[exit.snapshot].live.iter().map(|live| live.location).collect(),
        taken: (&raw const exit.linked).expose_provenance() as u64,
        otherwise: cold_exit.expose_provenance() as u64,
    });
    crate::graph::bury_executor(Some(parent));
    bridge.ok_or(AbortReason::ExecutorRemoved).map(Some)
}

/// What a superblock's references are as addresses.
#[derive(Debug)]
struct Addresses {
    objects: Vec<u64>,
    codes: Vec<CodeAddresses>,
    /// Calls in which frames are suspended: where, and how far behind it goes on.
    calls: HashMap<(CodeRef, u32), (usize, u16)>,
}

/// Of a code object.
#[derive(Debug)]
struct CodeAddresses {
    object: u64,
    stream: u64,
    words: u64,
    locals: u32,
    counted: i32,
    /// How many words a frame takes.
    frame: u32,
    /// The first code unit.
    units: u64,
}

impl Addresses {
    /// None if there is no memory.
    unsafe fn of(executor: &Executor) -> Option<Addresses> {
        let code = |code: *mut PyCodeObject| {
            // SAFETY: the trace's code objects are live. The streams live as long as the executor is valid.
            unsafe {
                let stream = code::state_of(code);
                (!stream.is_null()).then(|| CodeAddresses {
                    object: code.expose_provenance() as u64,
                    stream: stream.expose_provenance() as u64,
                    words: CodeState::words(stream).expose_provenance() as u64,
                    locals: (*code).co_nlocalsplus as u32,
                    counted: (*stream).counted,
                    frame: (*code).co_framesize as u32,
                    units: code_units(code).expose_provenance() as u64,
                })
            }
        };
        let codes: Vec<CodeAddresses> = executor.trace().codes.iter().map(|&c| code(c)).collect::<Option<_>>()?;
        // SAFETY: as above. Snapshots and frames that are pushed name positions in these.
        let at = |code: CodeRef, pc: u32| unsafe {
            let stream = codes[code.as_u32() as usize].stream;
            ((code, pc), suspended_at(core::ptr::with_exposed_provenance_mut(stream as usize), pc))
        };
        let superblock = &executor.trace().superblock;
        let mut calls = HashMap::new();
        for snapshot in superblock.snapshots.values() {
            let callers = snapshot.frames.split_last().map_or(&[][..], |(_, callers)| callers);
            calls.extend(callers.iter().map(|frame| at(frame.code, frame.pc)));
        }
        Some(Addresses { objects: Vec::new(), codes, calls })
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
    fn counted(&self, code: CodeRef) -> i32 {
        self.of_code(code).counted
    }
    fn frame(&self, code: CodeRef) -> Option<(u32, u64)> {
        let code = self.of_code(code);
        Some((code.frame, code.units))
    }
    fn suspended(&self, code: CodeRef, pc: u32) -> Option<(u64, u16)> {
        let &(at, behind) = self.calls.get(&(code, pc))?;
        Some((self.of_code(code).units + (at * size_of::<CodeUnit>()) as u64, behind))
    }
    fn instruction(&self, code: CodeRef, pc: u32) -> u64 {
        self.of_code(code).words + u64::from(pc) * size_of::<Word>() as u64
    }
    fn stream(&self, code: CodeRef) -> u64 {
        self.of_code(code).stream
    }
}
