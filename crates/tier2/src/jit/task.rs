//! What compiling an executor takes, in plain numbers: no thread state, no reference to anything that the GIL guards.
//!
//! The numbers are addresses of objects, of the executor's exits and flags. The compiler writes them into the code and looks at none
//! of what is there. So they may be stale by the time the code is made; it is then never installed.

use crate::executor::Executor;
use crate::exits::Exit;
use core::mem::offset_of;
use hotspur_codegen::{Code, Compiler, Constants, Environment, ExitTable, Layout};
use hotspur_cpython_sys::PyCodeObject;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_ir::{AbortReason, CodeRef, ObjRef, Superblock};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Task {
    superblock: Superblock,
    addresses: Addresses,
    layout: Layout,
    exits: ExitTable,
    valid: u64,
}

const fn may_go_to_another_thread<T: Send>() {}
const _: () = may_go_to_another_thread::<Task>();

impl Task {
    /// # Safety
    /// GIL held, what the executor refers to is live.
    pub(super) unsafe fn new(executor: &Executor, layout: &Layout) -> Task {
        Task {
            superblock: executor.trace.superblock.clone(),
            // SAFETY: as the caller promises.
            addresses: unsafe { Addresses::of(executor) },
            layout: *layout,
            exits: ExitTable {
                base: executor.exits.as_ptr().expose_provenance() as u64,
                stride: size_of::<Exit>() as u32,
                code: offset_of!(Exit, code) as u32,
            },
            valid: (&raw const executor.go).expose_provenance() as u64,
        }
    }

    /// Compiles, in whatever thread.
    pub(super) fn run(&self, compiler: &mut Compiler) -> Result<Code, AbortReason> {
        let environment = Environment {
            layout: Some(&self.layout),
            constants: &self.addresses,
            exits: self.exits,
            valid: self.valid,
        };
        compiler.compile(&self.superblock, &environment).map_err(|refusal| refusal.reason)
    }
}

/// What a superblock's references are as addresses.
#[derive(Debug)]
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
