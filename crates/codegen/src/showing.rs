//! Showing frames that are in memory: what other code can look at is a position and a few locals, which code writes by itself.
//!
//! The general way is the host's (`Publish`, `Withdraw`): it knows how to push frames and build objects, and goes through all frames and slots each time.
//! Most calls of functions of which nothing is known come when the recorder has brought frames and locals to memory, and that is
//! worth less than the call. What is left then:
//!
//! * The position of the top frame. Those below wait for their calls, and say where since they were left.
//! * Locals that are not at home in memory, as the snapshot has them. They are not taken back: memory is stale while code computes with values.
//! * Operands cannot be seen, so they stay where they are. But other code may drop what a borrowed one is borrowed from, so a reference to it is taken.
//!
//! Whether a local was changed, or the executor has become invalid, is looked at afterwards. If so, the host does what it does when it takes back what it has
//! published (`Settle`).

use crate::compile::Refusal;
use crate::host::HostFn;
use crate::layout::Layout;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};
use hotspur_ir::{Inst, Slot, Type, Value};

/// More stores than this are the host's business.
const MOST_STORES: usize = 12;

/// What has to be written.
pub(crate) struct Shown<'a> {
    layout: &'a Layout,
    /// Depth and number of a local, and what it is; null if that is none.
    locals: Vec<(usize, usize, Option<Value>)>,
    /// Values that references are taken to.
    borrowed: Vec<Value>,
    /// Address of the top frame's instruction.
    position: u64,
}

impl<'a> Translator<'a> {
    /// What showing the frames of an op's snapshot takes, if code does that by itself.
    pub(crate) fn shows_in_place(&self, inst: &Inst) -> Option<Shown<'a>> {
        let (layout, _) = self.returns()?;
        if self.env.epoch == 0 || self.env.valid == 0 {
            return None;
        }
        let snapshot = &self.sb.snapshots[inst.snapshot?];
        if snapshot.frames.len() != self.frames.len() {
            return None;
        }
        let top = snapshot.frames.last()?;
        let (_, first_unit) = self.env.constants.frame(top.code)?;
        let position = first_unit + 2 * u64::from(top.pc);
        let mut shown = Shown { layout, locals: Vec::new(), borrowed: Vec::new(), position };
        let is_null = |v: Value| self.constant(v) == Some(0);
        for (depth, frame) in snapshot.frames.iter().enumerate() {
            for (i, &slot) in frame.locals.iter().enumerate() {
                let content = match slot {
                    Slot::Unchanged => continue,
                    Slot::Null => None,
                    Slot::Owned(v) | Slot::Value(v) if self.sb.values[v] == Type::Obj => Some(v),
                    Slot::Owned(_) | Slot::Value(_) | Slot::Virtual(_) => return None,
                };
                shown.locals.push((depth, i, content));
                shown.borrowed.extend(content.filter(|&v| slot == Slot::Value(v) && !is_null(v)));
            }
            for &slot in &frame.stack {
                match slot {
                    Slot::Virtual(_) => return None,
                    Slot::Value(v) if self.sb.values[v] == Type::Obj && !is_null(v) => shown.borrowed.push(v),
                    Slot::Unchanged | Slot::Null | Slot::Owned(_) | Slot::Value(_) => {}
                }
            }
        }
        (shown.locals.len() + shown.borrowed.len() <= MOST_STORES).then_some(shown)
    }

    /// Shows frames during what `f` writes.
    pub(crate) fn shown_in_place<T>(
        &mut self,
        inst: &Inst,
        shown: &Shown<'_>,
        f: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.write_shown(shown)?;
        let epoch = self.word(self.env.epoch);
        let before = self.load(types::I64, epoch, 0);
        let result = f(self)?;
        let after = self.load(types::I64, epoch, 0);
        let unchanged = self.b.ins().icmp(IntCC::Equal, before, after);
        let valid = self.word(self.env.valid);
        let valid = self.load(types::I8, valid, 0);
        let undisturbed = self.b.ins().band(unchanged, valid);
        let [as_before, otherwise, done] = core::array::from_fn(|_| self.b.create_block());
        self.branch(undisturbed, as_before, otherwise);

        self.b.set_cold_block(otherwise);
        self.b.switch_to_block(otherwise);
        let snapshot = self.store_live(inst)?;
        self.call(HostFn::Settle, &[snapshot]);
        self.b.ins().jump(done, &[]);

        self.b.switch_to_block(as_before);
        for &v in &shown.borrowed {
            let value = self.v(v);
            // What it is borrowed from is still there, so it is not the last one.
            self.if_set(value, |t| {
                t.drop_shared(value);
                Ok(())
            })?;
        }
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(done);
        Ok(result)
    }

    fn write_shown(&mut self, shown: &Shown<'_>) -> Result<(), Refusal> {
        for &v in &shown.borrowed {
            let value = self.v(v);
            self.if_set(value, |t| {
                t.incref(value);
                Ok(())
            })?;
        }
        for &(depth, i, content) in &shown.locals {
            let value = if let Some(v) = content { self.v(v) } else { self.word(0) };
            let frame = self.b.use_var(self.addresses[depth]);
            self.store(value, frame, shown.layout.localsplus + 8 * i as i32);
        }
        let top = self.b.use_var(self.addresses[self.frames.len() - 1]);
        let position = self.word(shown.position);
        self.store(position, top, shown.layout.instr_ptr);
        Ok(())
    }
}
