//! Frames in memory.

use crate::compile::Refusal;
use crate::host::{ExecState, HostFn, MAX_VALUES};
use crate::translate::{Translator, too_large};
use core::mem::offset_of;
use cranelift_codegen::ir::{self as clif, types};
use hotspur_ir::{CodeRef, Inst, Value};

type Nothing = Option<clif::Value>;

impl Translator<'_> {
    /// The frame where the superblock begins.
    pub(crate) fn first_frame(&mut self) {
        self.add_frame(self.sb.code, offset_of!(ExecState, frame));
    }

    /// There is a frame for the code on top, whose address is in that field of the state.
    fn add_frame(&mut self, code: CodeRef, field: usize) {
        let depth = self.frames.len();
        if depth == self.addresses.len() {
            let variable = self.b.declare_var(types::I64);
            self.addresses.push(variable);
        }
        if self.env.layout.is_some() {
            let address = self.load(types::I64, self.state, field as i32);
            self.b.def_var(self.addresses[depth], address);
        }
        self.frames.push(code);
    }

    /// There is a new frame for the code on top.
    pub(crate) fn frame_pushed(&mut self, code: CodeRef) {
        self.add_frame(code, offset_of!(ExecState, top));
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

    pub(crate) fn push_frame(
        &mut self,
        code: CodeRef,
        caller_pc: u32,
        function: Value,
        locals: &[Value],
    ) -> Result<Nothing, Refusal> {
        if locals.len() > MAX_VALUES {
            return Err(too_large(format!("{} locals", locals.len())));
        }
        for (i, &v) in locals.iter().enumerate() {
            self.store_value(self.v(v), i);
        }
        let address = self.word(self.env.constants.code(code));
        let (caller_pc, count) = (self.number(caller_pc), self.number(locals.len() as u32));
        self.call(HostFn::PushFrame, &[address, caller_pc, self.v(function), count]);
        self.frame_pushed(code);
        Ok(None)
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
