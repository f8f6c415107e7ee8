//! Frames in memory.

use crate::compile::Refusal;
use crate::host::{ExecState, HostFn, MAX_VALUES};
use crate::layout::{Layout, Returns};
use crate::translate::{Translator, too_large};
use core::mem::offset_of;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, BlockArg, InstBuilder, types};
use hotspur_ir::{CodeRef, Inst, Value};

type Nothing = Option<clif::Value>;

impl Translator<'_> {
    /// The frame where the superblock begins, and what else there is to be done at the beginning.
    pub(crate) fn first_frame(&mut self) {
        if let (Some(layout), Some(prologue)) = (self.env.layout, self.env.prologue) {
            let executor = self.word(prologue.executor);
            self.store_state(executor, offset_of!(ExecState, executor));
            let thread = self.load(types::I64, self.state, offset_of!(ExecState, thread) as i32);
            let frame = self.load(types::I64, thread, layout.current_frame);
            self.store_state(frame, offset_of!(ExecState, frame));
            let (warm, one) = (self.word(prologue.warm), self.b.ins().iconst(types::I8, 1));
            self.store(one, warm, 0);
            self.count_at(prologue.runs);
            self.thread = Some(thread);
            self.add_frame(self.sb.code, Some(frame));
            return;
        }
        let frame = self.state_with_layout(offset_of!(ExecState, frame));
        self.add_frame(self.sb.code, frame);
    }

    /// A field of the state that means something only if there is a layout.
    pub(crate) fn state_with_layout(&mut self, field: usize) -> Option<clif::Value> {
        self.env.layout?;
        Some(self.load(types::I64, self.state, field as i32))
    }

    /// There is a frame for the code on top, with this address.
    pub(crate) fn add_frame(&mut self, code: CodeRef, address: Option<clif::Value>) {
        let depth = self.frames.len();
        if depth == self.addresses.len() {
            let variable = self.b.declare_var(types::I64);
            self.addresses.push(variable);
        }
        if let Some(address) = address {
            self.b.def_var(self.addresses[depth], address);
        }
        self.frames.push(code);
    }

    /// There is a new frame for the code on top.
    pub(crate) fn frame_pushed(&mut self, code: CodeRef) {
        let address = self.state_with_layout(offset_of!(ExecState, top));
        self.add_frame(code, address);
    }

    /// The address of the frame at a depth, if there is a layout.
    pub(crate) fn frame_address(&mut self, depth: usize) -> Option<clif::Value> {
        self.env.layout?;
        Some(self.b.use_var(self.addresses[depth]))
    }

    /// The address above a stack of this height, in a frame for the code.
    pub(crate) fn stack_address(&mut self, frame: clif::Value, code: CodeRef, height: u32) -> clif::Value {
        let first = self.env.layout.map_or(0, |l| l.localsplus);
        let offset = i64::from(first) + 8 * i64::from(self.env.constants.locals(code) + height);
        self.b.ins().iadd_imm(frame, offset)
    }

    /// A slot of a frame: the frame's address and the offset of the slot.
    fn slot(&mut self, depth: u32, index: u32, is_stack: bool) -> Option<(clif::Value, i32)> {
        let layout = self.env.layout?;
        let (code, variable) = (self.frames[depth as usize], self.addresses[depth as usize]);
        let first = if is_stack { self.env.constants.locals(code) } else { 0 };
        Some((self.b.use_var(variable), layout.localsplus + 8 * (first + index) as i32))
    }

    fn load_from_frame(&mut self, depth: u32, index: u32, is_stack: bool, function: HostFn) -> clif::Value {
        if let Some((frame, offset)) = self.slot(depth, index, is_stack) {
            return self.load(types::I64, frame, offset);
        }
        let (depth, index) = (self.number(depth), self.number(index));
        self.ask(function, &[depth, index])
    }

    fn spill_to_frame(&mut self, depth: u32, index: u32, is_stack: bool, value: Value, function: HostFn) -> Nothing {
        let value = self.v(value);
        if let Some((frame, offset)) = self.slot(depth, index, is_stack) {
            self.store(value, frame, offset);
        } else {
            let (depth, index) = (self.number(depth), self.number(index));
            self.call(function, &[depth, index, value]);
        }
        None
    }

    pub(crate) fn load_local(&mut self, depth: u32, index: u32) -> clif::Value {
        self.load_from_frame(depth, index, false, HostFn::LoadLocal)
    }

    pub(crate) fn load_stack(&mut self, depth: u32, index: u32) -> clif::Value {
        self.load_from_frame(depth, index, true, HostFn::LoadStack)
    }

    /// A field of a frame.
    fn frame_field(&mut self, depth: u32, offset: Option<i32>, function: HostFn) -> clif::Value {
        if let Some(offset) = offset {
            let frame = self.b.use_var(self.addresses[depth as usize]);
            return self.load(types::I64, frame, offset);
        }
        let depth = self.number(depth);
        self.ask(function, &[depth])
    }

    pub(crate) fn load_globals(&mut self, depth: u32) -> clif::Value {
        self.frame_field(depth, self.env.layout.map(|l| l.f_globals), HostFn::LoadGlobals)
    }

    pub(crate) fn load_builtins(&mut self, depth: u32) -> clif::Value {
        self.frame_field(depth, self.env.layout.map(|l| l.f_builtins), HostFn::LoadBuiltins)
    }

    pub(crate) fn spill_local(&mut self, depth: u32, index: u32, value: Value) -> Nothing {
        self.spill_to_frame(depth, index, false, value, HostFn::SpillLocal)
    }

    pub(crate) fn spill_stack(&mut self, depth: u32, index: u32, value: Value) -> Nothing {
        self.spill_to_frame(depth, index, true, value, HostFn::SpillStack)
    }

    /// How high the top frame's stack is while the frame is suspended in the call that pushes another one. Every
    /// snapshot says so that comes before the other frame is popped, and popping has a snapshot itself.
    pub(crate) fn caller_stack(&self, inst: &Inst) -> u32 {
        let caller = self.frames.len() - 1;
        let mut later = self.sb.insts().skip_while(|i| !core::ptr::eq(*i, inst));
        let snapshot = later.find_map(|i| i.snapshot);
        let frame = snapshot.and_then(|s| self.sb.snapshots[s].frames.get(caller));
        frame.map_or(0, |f| f.stack.len() as u32)
    }

    pub(crate) fn push_frame(
        &mut self,
        inst: &Inst,
        code: CodeRef,
        caller_pc: u32,
        function: Value,
        locals: &[Value],
    ) -> Result<Nothing, Refusal> {
        let locals: Vec<_> = locals.iter().map(|&v| self.v(v)).collect();
        let stack = self.caller_stack(inst);
        self.push_frame_of(code, caller_pc, stack, self.v(function), &locals)?;
        Ok(None)
    }

    /// Pushes a frame on one that has this position and height of the stack.
    pub(crate) fn push_frame_of(
        &mut self,
        code: CodeRef,
        caller_pc: u32,
        caller_stack: u32,
        function: clif::Value,
        locals: &[clif::Value],
    ) -> Result<(), Refusal> {
        let caller = self.frames[self.frames.len() - 1];
        let constants = self.env.constants;
        let may = self.returns().zip(constants.frame(code)).zip(constants.suspended(caller, caller_pc));
        let Some((((layout, returns), (size, first_unit)), (call, behind))) = may else {
            self.push_by_host(code, caller_pc, caller_stack, function, locals)?;
            self.frame_pushed(code);
            return Ok(());
        };
        let [fast, slow, done] = core::array::from_fn(|_| self.b.create_block());
        let pushed = self.b.append_block_param(done, types::I64);
        let thread = self.load(types::I64, self.state, offset_of!(ExecState, thread) as i32);
        let frame = self.load(types::I64, thread, returns.datastack_top);
        let next = self.b.ins().iadd_imm(frame, 8 * i64::from(size));
        let limit = self.load(types::I64, thread, returns.datastack_limit);
        let there = self.b.ins().icmp(IntCC::UnsignedLessThan, next, limit);
        self.branch(there, fast, slow);

        self.b.switch_to_block(fast);
        self.store(next, thread, returns.datastack_top);
        let below = self.top_frame_waits(layout, returns, caller_stack, call, behind);
        // The callee begins.
        let object = self.word(constants.code(code));
        self.incref(object);
        self.store(object, frame, returns.f_executable);
        self.store(below, frame, layout.previous);
        self.store(function, frame, returns.f_funcobj);
        let globals = self.load(types::I64, function, returns.func_globals);
        self.store(globals, frame, layout.f_globals);
        let builtins = self.load(types::I64, function, returns.func_builtins);
        self.store(builtins, frame, layout.f_builtins);
        let null = self.word(0);
        self.store(null, frame, returns.f_locals);
        self.store(null, frame, returns.frame_obj);
        let first_unit = self.word(first_unit);
        self.store(first_unit, frame, layout.instr_ptr);
        let executing = self.b.ins().iconst(types::I32, -1);
        self.store(executing, frame, layout.stacktop);
        let none = self.b.ins().iconst(types::I16, 0);
        self.store(none, frame, returns.return_offset);
        let owner = self.b.ins().iconst(types::I8, i64::from(returns.owned_by_thread));
        self.store(owner, frame, returns.owner);
        for (i, &v) in locals.iter().enumerate() {
            self.store(v, frame, layout.localsplus + 8 * i as i32);
        }
        self.store(frame, thread, layout.current_frame);
        self.count_recursion(thread, returns, -constants.counted(code));
        self.b.ins().jump(done, &[BlockArg::Value(frame)]);

        self.b.set_cold_block(slow);
        self.b.switch_to_block(slow);
        self.push_by_host(code, caller_pc, caller_stack, function, locals)?;
        let frame = self.load(types::I64, self.state, offset_of!(ExecState, top) as i32);
        self.b.ins().jump(done, &[BlockArg::Value(frame)]);
        self.b.switch_to_block(done);
        self.add_frame(code, Some(pushed));
        Ok(())
    }

    /// The top frame waits for a call, with so many items on its stack; the call is at this address, and it goes on so many words behind. Answers
    /// the frame's address.
    pub(crate) fn top_frame_waits(
        &mut self,
        layout: &Layout,
        returns: &Returns,
        stack: u32,
        call: u64,
        behind: u16,
    ) -> clif::Value {
        let depth = self.frames.len() - 1;
        let frame = self.b.use_var(self.addresses[depth]);
        let height = self.number(self.env.constants.locals(self.frames[depth]) + stack);
        self.store(height, frame, layout.stacktop);
        let call = self.word(call);
        self.store(call, frame, layout.instr_ptr);
        let behind = self.b.ins().iconst(types::I16, i64::from(behind));
        self.store(behind, frame, returns.return_offset);
        frame
    }

    /// So many more calls may be made by Python code: negative if frames were pushed.
    pub(crate) fn count_recursion(&mut self, thread: clif::Value, returns: &Returns, change: i32) {
        if change != 0 {
            let remaining = self.load(types::I32, thread, returns.py_recursion_remaining);
            let remaining = self.b.ins().iadd_imm(remaining, i64::from(change));
            self.store(remaining, thread, returns.py_recursion_remaining);
        }
    }

    fn push_by_host(
        &mut self,
        code: CodeRef,
        caller_pc: u32,
        caller_stack: u32,
        function: clif::Value,
        locals: &[clif::Value],
    ) -> Result<(), Refusal> {
        if locals.len() > MAX_VALUES {
            return Err(too_large(format!("{} locals", locals.len())));
        }
        for (i, &v) in locals.iter().enumerate() {
            self.store_value(v, i);
        }
        let address = self.word(self.env.constants.code(code));
        let numbers = [caller_pc, caller_stack, locals.len() as u32].map(|n| self.number(n));
        self.call(HostFn::PushFrame, &[address, numbers[0], numbers[1], function, numbers[2]]);
        Ok(())
    }

    pub(crate) fn pop_frame(&mut self, inst: &Inst) -> Result<Nothing, Refusal> {
        self.published(inst, |t| {
            t.call(HostFn::PopFrame, &[]);
            Ok(())
        })?;
        self.frames.pop();
        Ok(None)
    }
}
