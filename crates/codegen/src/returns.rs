//! Leaving frames.
//!
//! What CPython does at a return, in its order: the frame is taken off, so that finalizers do not see it; what it held is dropped; its memory is given
//! back. Then the caller is looked up, which may be any: where it goes on is written to the landing, just as after an
//! instruction that tier 1 has executed.

use crate::compile::Refusal;
use crate::host::{ExecState, HostFn, MAX_VALUES};
use crate::layout::{Layout, Returns};
use crate::translate::{Done, Translator, too_large};
use core::mem::offset_of;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, InstBuilder, types};
use hotspur_ir::{Moves, Value};

type Nothing = Option<clif::Value>;

impl<'a> Translator<'a> {
    /// How frames are left, if code does that by itself.
    pub(crate) fn returns(&self) -> Option<(&'a Layout, &'a Returns)> {
        let layout = self.env.layout?;
        self.env.prologue.and(layout.returns.as_ref()).map(|returns| (layout, returns))
    }

    pub(crate) fn guard_plain_frame(&mut self) -> Nothing {
        let Some((_, returns)) = self.returns() else {
            let plain = self.ask(HostFn::IsPlainFrame, &[]);
            self.guard(plain);
            return None;
        };
        let frame = self.b.use_var(self.addresses[self.frames.len() - 1]);
        let owner = self.load(types::I8, frame, returns.owner);
        let on_stack = self.b.ins().icmp_imm(IntCC::Equal, owner, i64::from(returns.owned_by_thread));
        self.guard(on_stack);
        let object = self.load(types::I64, frame, returns.frame_obj);
        let locals = self.load(types::I64, frame, returns.f_locals);
        let seen = self.b.ins().bor(object, locals);
        self.guard_not(seen);
        None
    }

    pub(crate) fn return_value(&mut self, value: Value, dropped: &[Value]) -> Result<Nothing, Refusal> {
        self.executed = Moves::Returns;
        self.executed_unchecked = self.unchecked;
        let value = self.v(value);
        let dropped: Vec<clif::Value> =
            dropped.iter().filter(|&&v| self.constant(v) != Some(0)).map(|&v| self.v(v)).collect();
        let Some((layout, returns)) = self.returns() else {
            if dropped.len() > MAX_VALUES {
                return Err(too_large(format!("{} references", dropped.len())));
            }
            for (i, &v) in dropped.iter().enumerate() {
                self.store_value(v, i);
            }
            let count = self.number(dropped.len() as u32);
            self.call(HostFn::ReturnValue, &[value, count]);
            return Ok(None);
        };
        let frame = self.b.use_var(self.addresses[self.frames.len() - 1]);
        let thread = self.load(types::I64, self.state, offset_of!(ExecState, thread) as i32);
        let caller = self.load(types::I64, frame, layout.previous);
        self.store(caller, thread, layout.current_frame);
        let counted = self.env.constants.counted(self.frames[self.frames.len() - 1]);
        self.count_recursion(thread, returns, counted);
        for object in dropped {
            self.drop_returning(object, true)?;
        }
        for field in [returns.f_funcobj, returns.f_executable] {
            let object = self.load(types::I64, frame, field);
            self.drop_returning(object, false)?;
        }
        self.give_back(frame, thread, returns);
        self.land(caller, value, layout, returns);
        Ok(None)
    }

    /// Drops a reference that the frame held.
    fn drop_returning(&mut self, object: clif::Value, may_be_null: bool) -> Done {
        let next = self.b.create_block();
        if may_be_null {
            let there = self.b.create_block();
            self.branch(object, there, next);
            self.b.switch_to_block(there);
        }
        self.drop_reference(object, |t| {
            t.call(HostFn::DeallocReturning, &[object]);
            Ok(())
        })?;
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(next);
        Ok(())
    }

    /// The memory of the frame is free.
    fn give_back(&mut self, frame: clif::Value, thread: clif::Value, returns: &Returns) {
        let [first, other, next] = core::array::from_fn(|_| self.b.create_block());
        let chunk = self.load(types::I64, thread, returns.datastack_chunk);
        let data = self.b.ins().iadd_imm(chunk, i64::from(returns.chunk_data));
        let is_first = self.b.ins().icmp(IntCC::Equal, frame, data);
        self.branch(is_first, first, other);
        self.b.set_cold_block(first);
        self.b.switch_to_block(first);
        self.call(HostFn::GiveBack, &[frame]);
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(other);
        self.store(frame, thread, returns.datastack_top);
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(next);
    }

    /// Goes on in the caller with the value: writes the landing.
    fn land(&mut self, caller: clif::Value, value: clif::Value, layout: &Layout, returns: &Returns) {
        let [ends, goes_on, next] = core::array::from_fn(|_| self.b.create_block());
        let owner = self.load(types::I8, caller, returns.owner);
        let is_entry = self.b.ins().icmp_imm(IntCC::Equal, owner, i64::from(returns.owned_by_c_stack));
        self.branch(is_entry, ends, goes_on);
        self.b.switch_to_block(ends);
        self.call(HostFn::Land, &[caller, value]);
        self.b.ins().jump(next, &[]);

        self.b.switch_to_block(goes_on);
        let code = self.load(types::I64, caller, returns.f_executable);
        let extra = self.load(types::I64, code, returns.co_extra);
        let stream = self.load(types::I64, extra, returns.stream);
        let bias = self.load(types::I64, stream, returns.bias);
        let unit = self.load(types::I64, caller, layout.instr_ptr);
        let unit = self.b.ins().isub(unit, bias);
        let call = self.b.ins().ishl_imm(unit, 2);
        let offset = self.load(types::I16, caller, returns.return_offset);
        let offset = self.b.ins().uextend(types::I64, offset);
        let offset = self.b.ins().ishl_imm(offset, 3);
        let pc = self.b.ins().iadd(call, offset);
        let height = self.load(types::I32, caller, layout.stacktop);
        let height = self.b.ins().sextend(types::I64, height);
        let height = self.b.ins().ishl_imm(height, 3);
        let item = self.b.ins().iadd(caller, height);
        self.store(value, item, layout.localsplus);
        let sp = self.b.ins().iadd_imm(item, i64::from(layout.localsplus) + 8);
        let executing = self.b.ins().iconst(types::I32, -1);
        self.store(executing, caller, layout.stacktop);
        self.write_landing([pc, sp, caller, stream], layout, returns);
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(next);
    }

    /// Writes where execution goes on: instruction, top of the stack, frame, stream.
    pub(crate) fn write_landing(&mut self, at: [clif::Value; 4], layout: &Layout, returns: &Returns) {
        let landing = self.load(types::I64, self.state, offset_of!(ExecState, landing) as i32);
        let running = self.b.ins().iconst(types::I8, 0);
        self.store(running, landing, layout.landing_kind);
        let fields = [layout.landing_pc, layout.landing_sp, layout.landing_frame, returns.landing_stream];
        for (value, field) in at.into_iter().zip(fields) {
            self.store(value, landing, field);
        }
    }
}
