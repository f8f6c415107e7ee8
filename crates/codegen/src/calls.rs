//! Calls: functions of ops that compute, helpers, and instructions that tier 1 executes.

use crate::compile::Refusal;
use crate::host::{Callee, ExecState, HostFn, MAX_VALUES};
use crate::layout::Layout;
use crate::translate::{Translator, too_large};
use core::mem::offset_of;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, InstBuilder, MemFlags, types};
use hotspur_ir::{CodeRef, Field, Helper, Imm, Inst, Moves, ResultKind, Value};

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
        if !helper.info().effects.escapes {
            return self.call_helper_function(helper, args);
        }
        let call = |t: &mut Self| t.call_helper_function(helper, args);
        match self.shows_in_place(inst) {
            Some(shown) => self.shown_in_place(inst, &shown, call),
            None => self.published(inst, call),
        }
    }

    fn call_helper_function(&mut self, helper: Helper, args: &[Value]) -> Result<Nothing, Refusal> {
        if let (Helper::InstanceDict, &[instance, name, index]) = (helper, args)
            && let Some(dict) = self.instance_dict(instance, name, index)
        {
            return Ok(Some(dict));
        }
        if let (Helper::ListAppend, &[list, item]) = (helper, args)
            && let Some(answer) = self.list_append(list, item)
        {
            return Ok(Some(answer));
        }
        if let Some(answer) = self.enumerates(helper, args) {
            return Ok(Some(answer));
        }
        let info = helper.info();
        let (fixed, more) = args.split_at(info.args.len());
        let mut values = vec![self.state];
        values.extend(fixed.iter().map(|&v| self.v(v)));
        if info.more.is_some() {
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

    /// An op that computes: a call of the function that the table has for it.
    pub(crate) fn compute(&mut self, inst: &Inst) -> Nothing {
        let (op, info) = (inst.op.opcode(), inst.op.info());
        let argument = |field| match field {
            Field::Value(v) => self.v(v),
            Field::Imm(Imm::Cond(cond)) => self.b.ins().iconst(types::I8, cond as i64),
            Field::Values(_) | Field::Imm(_) => unreachable!("the function of {} has no such parameter", info.name),
        };
        let args: Vec<_> = inst.op.fields().into_iter().map(argument).collect();
        let function = self.callee(Callee::Computes(op));
        let call = self.b.ins().call(function, &args);
        let results = self.b.inst_results(call);
        let &[bits, is_some] = results else { return Some(results[0]) };
        self.guard(is_some);
        Some(match info.result {
            ResultKind::F64 => self.b.ins().bitcast(types::F64, MemFlags::new(), bits),
            ResultKind::Bool => self.b.ins().ireduce(types::I8, bits),
            _ => bits,
        })
    }

    pub(crate) fn execute(&mut self, inst: &Inst, pc: u32, moves: Moves) -> Result<Nothing, Refusal> {
        let id = inst.snapshot.expect("the verifier has seen that it has one");
        let stack = self.sb.snapshots[id].frames.last().map_or(0, |f| f.stack.len() as u32);
        self.executed = moves;
        self.executed_unchecked = self.unchecked;
        let snapshot = self.store_live(inst)?;
        let depth = self.frames.len() - 1;
        let code = self.frames[depth];
        let (frame, sp) = if let Some(frame) = self.frame_address(depth) {
            (frame, self.stack_address(frame, code, stack))
        } else {
            (self.word(0), self.word(0))
        };
        let instruction = self.word(self.env.constants.instruction(code, pc));
        let stream = self.word(self.env.constants.stream(code));
        self.call(HostFn::Execute, &[snapshot, instruction, frame, sp, stream]);
        Ok(None)
    }

    /// The guard as comparisons. What they compare with is what tier 1 notes when it stops before an instruction.
    fn guard_landing(&mut self, layout: &Layout, code: CodeRef, pc: u32, stack: u32) {
        let top = self.frames.len() - 1;
        let landing = self.load(types::I64, self.state, offset_of!(ExecState, landing) as i32);
        let kind = self.load(types::I8, landing, layout.landing_kind);
        self.guard_not(kind);
        let (is, expected) =
            (self.load(types::I64, landing, layout.landing_pc), self.word(self.env.constants.instruction(code, pc)));
        self.guard_same(is, expected);
        let frame = self.load(types::I64, landing, layout.landing_frame);
        let expected = match self.executed {
            Moves::Stays => Some((frame, top)),
            Moves::Calls => Some((self.load(types::I64, frame, layout.previous), top)),
            // The caller of the first frame is not known.
            Moves::Returns => top.checked_sub(1).map(|below| (frame, below)),
            Moves::Unwinds => top.checked_sub(2).map(|below| (frame, below)),
        };
        if let Some((is, depth)) = expected {
            let expected = self.b.use_var(self.addresses[depth]);
            self.guard_same(is, expected);
        }
        let (is, expected) =
            (self.load(types::I64, landing, layout.landing_sp), self.stack_address(frame, code, stack));
        self.guard_same(is, expected);
        let address = self.word(self.env.valid);
        let valid = self.load(types::I8, address, 0);
        self.guard(valid);
        if self.executed_unchecked {
            let disturbed = self.load(types::I8, self.state, offset_of!(ExecState, disturbed) as i32);
            self.guard_not(disturbed);
        }
        match self.executed {
            Moves::Stays => {}
            Moves::Calls => self.add_frame(code, Some(frame)),
            Moves::Returns => {
                self.frames.pop();
                if self.frames.is_empty() {
                    self.store_state(frame, offset_of!(ExecState, frame));
                    self.add_frame(code, Some(frame));
                }
            }
            Moves::Unwinds => self.frames.truncate(top - 1),
        }
    }

    fn guard_same(&mut self, a: clif::Value, b: clif::Value) {
        let same = self.b.ins().icmp(IntCC::Equal, a, b);
        self.guard(same);
    }

    pub(crate) fn guard_landed(&mut self, code: CodeRef, pc: u32, stack: u32) -> Nothing {
        if let (Some(layout), Some(_)) = (self.env.layout, self.env.prologue) {
            self.guard_landing(layout, code, pc, stack);
            return None;
        }
        let address = self.word(self.env.constants.code(code));
        let numbers = [pc, self.executed as u32, stack].map(|n| self.number(n));
        let landed = self.ask(HostFn::HasLanded, &[address, numbers[0], numbers[1], numbers[2]]);
        self.guard(landed);
        match self.executed {
            Moves::Stays => {}
            Moves::Calls => self.frame_pushed(code),
            Moves::Returns => {
                self.frames.pop();
                if self.frames.is_empty() {
                    self.frame_pushed(code);
                }
            }
            Moves::Unwinds => self.frames.truncate(self.frames.len() - 2),
        }
        None
    }
}
