//! Calls: helpers, and instructions that tier 1 executes.

use crate::compile::Refusal;
use crate::host::{Callee, ExecState, HostFn, MAX_VALUES};
use crate::translate::{Translator, too_large};
use core::mem::offset_of;
use cranelift_codegen::ir::{self as clif, InstBuilder};
use hotspur_ir::{CodeRef, Helper, Inst, Moves, Value};

type Nothing = Option<clif::Value>;

impl Translator<'_> {
    /// Other code may look at the frames of the op's snapshot during what `f` writes.
    pub(crate) fn published<T>(
        &mut self,
        inst: &Inst,
        f: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let snapshot = self.store_live(inst)?;
        self.call(HostFn::Publish, &[snapshot]);
        let result = f(self)?;
        self.call(HostFn::Withdraw, &[]);
        Ok(result)
    }

    pub(crate) fn call_helper(&mut self, inst: &Inst, helper: Helper, args: &[Value]) -> Result<Nothing, Refusal> {
        if helper.info().effects.escapes {
            self.published(inst, |t| t.call_helper_function(helper, args))
        } else {
            self.call_helper_function(helper, args)
        }
    }

    fn call_helper_function(&mut self, helper: Helper, args: &[Value]) -> Result<Nothing, Refusal> {
        let info = helper.info();
        let (fixed, more) = args.split_at(info.args.len());
        let mut values = vec![self.state];
        values.extend(fixed.iter().map(|&v| self.v(v)));
        if info.variadic {
            // One place is left before them.
            if more.len() >= MAX_VALUES {
                return Err(too_large(format!("{} arguments", more.len())));
            }
            for (i, &v) in more.iter().enumerate() {
                self.store_value(self.v(v), i + 1);
            }
            let offset = offset_of!(ExecState, values) + 8;
            values.push(self.b.ins().iadd_imm(self.state, offset as i64));
            values.push(self.word(more.len() as u64));
        }
        Ok(self.call_any(Callee::Helper(helper), &values))
    }

    pub(crate) fn execute(&mut self, inst: &Inst, pc: u32, moves: Moves) -> Result<Nothing, Refusal> {
        let id = inst.snapshot.expect("the verifier has seen that it has one");
        let stack = self.sb.snapshots[id].frames.last().map_or(0, |f| f.stack.len());
        self.executed = moves;
        let snapshot = self.store_live(inst)?;
        let numbers = [pc, moves as u32, stack as u32].map(|n| self.number(n));
        self.call(HostFn::Execute, &[snapshot, numbers[0], numbers[1], numbers[2]]);
        Ok(None)
    }

    pub(crate) fn guard_landed(&mut self, code: CodeRef, pc: u32, stack: u32) -> Nothing {
        let address = self.word(self.env.constants.code(code));
        let numbers = [pc, self.executed as u32, stack].map(|n| self.number(n));
        let landed = self.ask(HostFn::HasLanded, &[address, numbers[0], numbers[1], numbers[2]]);
        self.guard(landed);
        match self.executed {
            Moves::Stays => {}
            Moves::Calls => self.frame_pushed(code),
            Moves::Returns => {
                self.frames.pop();
            }
        }
        None
    }
}
