//! Exits to wherever tier 1 has landed (`leave_landed`, a failing `guard_landed`): machine code that looks for an executor
//! there. All executors share it.

use crate::compile::{Code, Compiler, Refusal, superblock_signature};
use crate::host::ExecState;
use crate::layout::Layout;
use core::mem::offset_of;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Function, InstBuilder, MemFlags, UserFuncName, types};
use cranelift_frontend::FunctionBuilder;

/// How executors are found. Offsets in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Landings {
    /// What tier 1 keeps for the code, in where it has got to (see [`Layout::landing_pc`]).
    pub landing_code: i32,
    /// How far from where that begins the first instruction is.
    pub words: i32,
    /// In that: null, or the address of as many words as there are instructions, of the same size; each is null, or the
    /// address of the executor that begins there.
    pub executors: i32,
    /// In an executor: a byte that is not zero while it may be entered.
    pub open: i32,
    /// In an executor: where its code begins, or null.
    pub entry: i32,
    /// In an exit: a word that counts how often it has led to an executor.
    pub taken: i32,
    /// In an exit: a word that counts how often it has led out of machine code.
    pub left: i32,
    /// The kind of a landing where the activation is over.
    pub ended: u8,
}

/// The code. It goes on in `otherwise`, nothing having been done, if there is no executor that may be entered, or something asks
/// the thread for attention.
pub(crate) fn landing_exit(
    compiler: &mut Compiler,
    layout: &Layout,
    landings: &Landings,
    otherwise: u64,
) -> Result<Code, Refusal> {
    let mut function = Function::with_name_signature(UserFuncName::default(), superblock_signature());
    let mut b = FunctionBuilder::new(&mut function, compiler.builder_context());
    let (start, cold) = (b.create_block(), b.create_block());
    b.append_block_params_for_function_params(start);
    b.switch_to_block(start);
    let state = b.block_params(start)[0];
    let trusted = MemFlags::trusted();
    macro_rules! load {
        ($ty:ident, $base:expr, $offset:expr) => {
            b.ins().load(types::$ty, trusted, $base, $offset as i32)
        };
    }
    // Goes on if the value is (not) zero.
    macro_rules! unless {
        ($value:expr) => {
            let value = $value;
            let next = b.create_block();
            b.ins().brif(value, cold, &[], next, &[]);
            b.switch_to_block(next);
        };
    }
    macro_rules! only_if {
        ($value:expr) => {
            let value = $value;
            let next = b.create_block();
            b.ins().brif(value, next, &[], cold, &[]);
            b.switch_to_block(next);
        };
    }
    let landing = load!(I64, state, offset_of!(ExecState, landing));
    let kind = load!(I8, landing, layout.landing_kind);
    unless!(load!(I8, state, offset_of!(ExecState, disturbed)));
    let (running, elsewhere, over) = (b.create_block(), b.create_block(), b.create_block());
    b.ins().brif(kind, elsewhere, &[], running, &[]);
    b.switch_to_block(elsewhere);
    // Nothing is to be looked for where the activation is over.
    let ended = b.ins().icmp_imm(IntCC::Equal, kind, i64::from(landings.ended));
    b.ins().brif(ended, over, &[], cold, &[]);
    b.switch_to_block(over);
    let exit = load!(I64, state, offset_of!(ExecState, exit));
    let left = load!(I64, exit, landings.left);
    let left = b.ins().iadd_imm(left, 1);
    b.ins().store(trusted, left, exit, landings.left);
    b.ins().return_(&[]);
    b.switch_to_block(running);
    let thread = load!(I64, state, offset_of!(ExecState, thread));
    let due = load!(I8, thread, layout.eval_breaker);
    unless!(due);
    let code = load!(I64, landing, landings.landing_code);
    let executors = load!(I64, code, landings.executors);
    only_if!(executors);
    let pc = load!(I64, landing, layout.landing_pc);
    let words = b.ins().iadd_imm(code, i64::from(landings.words));
    let distance = b.ins().isub(pc, words);
    let slot = b.ins().iadd(executors, distance);
    let executor = load!(I64, slot, 0);
    only_if!(executor);
    let open = load!(I8, executor, landings.open);
    only_if!(open);
    let entry = load!(I64, executor, landings.entry);
    only_if!(b.ins().icmp_imm(IntCC::NotEqual, entry, 0));
    let exit = load!(I64, state, offset_of!(ExecState, exit));
    let taken = load!(I64, exit, landings.taken);
    let taken = b.ins().iadd_imm(taken, 1);
    b.ins().store(trusted, taken, exit, landings.taken);
    let signature = b.import_signature(superblock_signature());
    b.ins().return_call_indirect(signature, entry, &[state]);

    b.set_cold_block(cold);
    b.switch_to_block(cold);
    let otherwise = b.ins().iconst(types::I64, otherwise as i64);
    b.ins().return_call_indirect(signature, otherwise, &[state]);
    b.seal_all_blocks();
    b.finalize();
    compiler.stub(function)
}
