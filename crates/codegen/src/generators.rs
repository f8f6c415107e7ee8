//! Generators.

use crate::compile::Refusal;
use crate::host::{ExecState, HostFn, MAX_VALUES};
use crate::layout::Layout;
use crate::translate::{Translator, too_large};
use core::mem::offset_of;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, InstBuilder, types};
use hotspur_ir::{CodeRef, Inst, Value};

type Nothing = Option<clif::Value>;

/// States of a generator, as CPython numbers them.
const SUSPENDED: i64 = -2;
const DELEGATES: i64 = -1;
const RUNS: i64 = 0;

/// The offset of a slot from the generator.
fn slot(layout: &Layout, index: u32) -> i32 {
    layout.gi_iframe + layout.localsplus + 8 * index as i32
}

impl Translator<'_> {
    /// The address of the instruction at a position.
    fn code_unit(&mut self, layout: &Layout, code: CodeRef, pc: u32) -> clif::Value {
        let first = self.env.constants.code(code).wrapping_add_signed(layout.co_code_adaptive.into());
        self.word(first + 2 * u64::from(pc))
    }

    pub(crate) fn guard_suspended(&mut self, generator: Value, code: CodeRef, pc: u32) -> Nothing {
        let generator = self.v(generator);
        let Some(layout) = self.env.layout else {
            let (code, pc) = (self.word(self.env.constants.code(code)), self.number(pc));
            let suspended = self.ask(HostFn::IsSuspendedAt, &[generator, code, pc]);
            self.guard(suspended);
            return None;
        };
        let state = self.load(types::I8, generator, layout.gi_frame_state);
        let suspended = self.b.ins().icmp_imm(IntCC::SignedLessThan, state, RUNS);
        self.guard(suspended);
        let is = self.load(types::I64, generator, layout.gi_iframe + layout.instr_ptr);
        let wanted = self.code_unit(layout, code, pc);
        let there = self.b.ins().icmp(IntCC::Equal, is, wanted);
        self.guard(there);
        None
    }

    pub(crate) fn check_untracked(&mut self) -> Nothing {
        if let Some(layout) = self.env.layout {
            let thread = self.load(types::I64, self.state, offset_of!(ExecState, thread) as i32);
            let depth = self.load(types::I32, thread, layout.coroutine_origin_tracking_depth);
            self.guard_not(depth);
        } else {
            let untracked = self.ask(HostFn::IsUntracked, &[]);
            self.guard(untracked);
        }
        None
    }

    pub(crate) fn load_generator(&mut self, generator: Value, index: u32) -> clif::Value {
        let generator = self.v(generator);
        if let Some(layout) = self.env.layout {
            return self.load(types::I64, generator, slot(layout, index));
        }
        let index = self.number(index);
        self.ask(HostFn::LoadGenerator, &[generator, index])
    }

    pub(crate) fn store_generator(&mut self, generator: Value, index: u32, content: Value) -> Nothing {
        let (generator, content) = (self.v(generator), self.v(content));
        if let Some(layout) = self.env.layout {
            self.store(content, generator, slot(layout, index));
        } else {
            let index = self.number(index);
            self.call(HostFn::StoreGenerator, &[generator, index, content]);
        }
        None
    }

    /// A field of the frame, at this offset.
    pub(crate) fn generator_field(&mut self, generator: Value, offset: Option<i32>, function: HostFn) -> clif::Value {
        let generator = self.v(generator);
        match (self.env.layout, offset) {
            (Some(layout), Some(offset)) => self.load(types::I64, generator, layout.gi_iframe + offset),
            _ => self.ask(function, &[generator]),
        }
    }

    pub(crate) fn resume_generator(&mut self, generator: Value) -> Nothing {
        let generator = self.v(generator);
        if let Some(layout) = self.env.layout {
            let runs = self.b.ins().iconst(types::I8, RUNS);
            self.store(runs, generator, layout.gi_frame_state);
        } else {
            self.call(HostFn::ResumeGenerator, &[generator]);
        }
        None
    }

    pub(crate) fn suspend_generator(
        &mut self,
        generator: Value,
        code: CodeRef,
        pc: u32,
        stack: u32,
        delegates: bool,
    ) -> Nothing {
        let generator = self.v(generator);
        let Some(layout) = self.env.layout else {
            let (code, pc, stack) = (self.word(self.env.constants.code(code)), self.number(pc), self.number(stack));
            let delegates = self.b.ins().iconst(types::I8, i64::from(delegates));
            self.call(HostFn::SuspendGenerator, &[generator, code, pc, stack, delegates]);
            return None;
        };
        let at = self.code_unit(layout, code, pc);
        self.store(at, generator, layout.gi_iframe + layout.instr_ptr);
        let slots = self.number(self.env.constants.locals(code) + stack);
        self.store(slots, generator, layout.gi_iframe + layout.stacktop);
        let state = self.b.ins().iconst(types::I8, if delegates { DELEGATES } else { SUSPENDED });
        self.store(state, generator, layout.gi_frame_state);
        None
    }

    pub(crate) fn push_generator(&mut self, inst: &Inst, generator: Value, code: CodeRef, caller_pc: u32) -> Nothing {
        let stack = self.caller_stack(inst);
        self.push_generator_of(code, caller_pc, stack, self.v(generator));
        None
    }

    /// Pushes the frame of a generator on one that has this position and height of the stack.
    pub(crate) fn push_generator_of(
        &mut self,
        code: CodeRef,
        caller_pc: u32,
        caller_stack: u32,
        generator: clif::Value,
    ) {
        let depth = self.frames.len() - 1;
        let suspended = self.env.constants.suspended(self.frames[depth], caller_pc);
        let (Some((layout, returns)), Some((at, behind))) = (self.returns(), suspended) else {
            let (pc, stack) = (self.number(caller_pc), self.number(caller_stack));
            self.call(HostFn::PushGenerator, &[generator, pc, stack]);
            self.frame_pushed(code);
            return;
        };
        let caller = self.top_frame_waits(layout, returns, caller_stack, at, behind);
        let frame = self.b.ins().iadd_imm(generator, i64::from(layout.gi_iframe));
        self.store(caller, frame, layout.previous);
        let runs = self.b.ins().iconst(types::I32, -1);
        self.store(runs, frame, layout.stacktop);
        let thread = self.load(types::I64, self.state, offset_of!(ExecState, thread) as i32);
        let exceptions = self.load(types::I64, thread, returns.exc_info);
        self.store(exceptions, generator, returns.gi_exc_state + returns.previous_item);
        let item = self.b.ins().iadd_imm(generator, i64::from(returns.gi_exc_state));
        self.store(item, thread, returns.exc_info);
        self.store(frame, thread, layout.current_frame);
        self.count_recursion(thread, returns, -1);
        self.add_frame(code, Some(frame));
    }

    pub(crate) fn guard_caller(&mut self, code: CodeRef, pc: u32) -> Nothing {
        let (Some(layout), Some(frame)) = (self.env.layout, self.frame_address(0)) else {
            let (code, pc) = (self.word(self.env.constants.code(code)), self.number(pc));
            let there = self.ask(HostFn::IsCallerAt, &[code, pc]);
            self.guard(there);
            return None;
        };
        let caller = self.load(types::I64, frame, layout.previous);
        let is = self.load(types::I64, caller, layout.instr_ptr);
        let wanted = self.code_unit(layout, code, pc);
        let there = self.b.ins().icmp(IntCC::Equal, is, wanted);
        self.guard(there);
        None
    }

    pub(crate) fn unlink_first(&mut self, code: CodeRef) -> clif::Value {
        let generator = if let Some((layout, returns)) = self.returns() {
            let frame = self.b.use_var(self.addresses[0]);
            let generator = self.b.ins().iadd_imm(frame, -i64::from(layout.gi_iframe));
            let caller = self.load(types::I64, frame, layout.previous);
            let thread = self.load(types::I64, self.state, offset_of!(ExecState, thread) as i32);
            let item = returns.gi_exc_state + returns.previous_item;
            let exceptions = self.load(types::I64, generator, item);
            let null = self.word(0);
            self.store(null, generator, item);
            self.store(null, frame, layout.previous);
            self.store(exceptions, thread, returns.exc_info);
            self.store(caller, thread, layout.current_frame);
            self.count_recursion(thread, returns, 1);
            let runs = self.b.ins().iconst(types::I32, -1);
            self.store(runs, caller, layout.stacktop);
            self.store_state(caller, offset_of!(ExecState, frame));
            generator
        } else {
            self.ask(HostFn::UnlinkFirst, &[])
        };
        self.frames.clear();
        let frame = self.state_with_layout(offset_of!(ExecState, frame));
        self.add_frame(code, frame);
        generator
    }

    pub(crate) fn finish_generator(&mut self, inst: &Inst, generator: Value) -> Result<Nothing, Refusal> {
        let snapshot = self.store_live(inst)?;
        let generator = self.v(generator);
        self.call(HostFn::FinishGenerator, &[snapshot, generator]);
        Ok(None)
    }

    pub(crate) fn new_generator(
        &mut self,
        code: CodeRef,
        pc: u32,
        function: Value,
        locals: &[Value],
    ) -> Result<clif::Value, Refusal> {
        if locals.len() > MAX_VALUES {
            return Err(too_large(format!("{} locals", locals.len())));
        }
        for (i, &v) in locals.iter().enumerate() {
            self.store_value(self.v(v), i);
        }
        let code = self.word(self.env.constants.code(code));
        let (pc, count) = (self.number(pc), self.number(locals.len() as u32));
        let function = self.v(function);
        Ok(self.ask(HostFn::NewGenerator, &[code, pc, function, count]))
    }
}
