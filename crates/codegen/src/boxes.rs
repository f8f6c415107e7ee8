//! Making numbers.
//!
//! Small ints exist already. Other numbers are mostly made of dead ones, which are kept in lists ([`Boxes`]); the host
//! makes the rest.

use crate::compile::Refusal;
use crate::host::HostFn;
use crate::layout::{Boxes, Layout};
use crate::translate::{Region, Translator};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, BlockArg, InstBuilder, types};
use hotspur_ir::Value;

/// The least of the small ints.
const FIRST_SMALL: i64 = -5;
/// How many there are.
const SMALL: i64 = 262;
/// Bits of a digit.
const DIGIT: u32 = 30;

impl Translator<'_> {
    /// Takes a dead number from a list and gives it one reference, or goes to `none`.
    fn take(&mut self, layout: &Layout, list: u64, class: u64, boxes: &Boxes, none: clif::Block) -> clif::Value {
        let there = self.b.create_block();
        let list = self.word(list);
        let object = self.load(types::I64, list, 0);
        self.branch(object, there, none);
        self.b.switch_to_block(there);
        let next = self.load(types::I64, object, layout.ob_type);
        self.store(next, list, 0);
        let room = self.load(types::I32, list, boxes.room);
        let room = self.b.ins().iadd_imm(room, 1);
        self.store(room, list, boxes.room);
        let (count, class) = (self.word(1), self.word(class));
        self.store(count, object, layout.ob_refcnt);
        self.store(class, object, layout.ob_type);
        object
    }

    /// Goes on in `done` with what the host makes.
    fn made_by_host(&mut self, slow: clif::Block, done: clif::Block, function: HostFn, value: clif::Value) {
        self.b.set_cold_block(slow);
        self.b.switch_to_block(slow);
        self.in_region(Region::Slow(self.op), |t| {
            let object = t.ask(function, &[value]);
            t.b.ins().jump(done, &[BlockArg::Value(object)]);
        });
        self.b.switch_to_block(done);
    }

    /// A new float.
    pub(crate) fn box_f64(&mut self, value: clif::Value) -> clif::Value {
        let Some((layout, boxes)) = self.env.layout.and_then(|l| Some((l, l.boxes?))) else {
            return self.ask(HostFn::BoxF64, &[value]);
        };
        let (slow, done) = (self.b.create_block(), self.b.create_block());
        let result = self.b.append_block_param(done, types::I64);
        let object = self.take(layout, boxes.floats, boxes.float_type, &boxes, slow);
        self.store(value, object, layout.ob_fval);
        self.b.ins().jump(done, &[BlockArg::Value(object)]);
        self.made_by_host(slow, done, HostFn::BoxF64, value);
        result
    }

    /// A new float, written into a dying one if that has no other references.
    pub(crate) fn rebox_f64(&mut self, value: Value, dying: Value) -> Result<clif::Value, Refusal> {
        let (number, old) = (self.v(value), self.v(dying));
        let Some(layout) = self.env.layout.filter(|l| l.boxes.is_some()) else {
            self.decref_no_dealloc(dying)?;
            return Ok(self.box_f64(number));
        };
        let [again, other, done] = core::array::from_fn(|_| self.b.create_block());
        let result = self.b.append_block_param(done, types::I64);
        self.branch_if_last(old, again, other);
        self.b.switch_to_block(again);
        self.store(number, old, layout.ob_fval);
        self.b.ins().jump(done, &[BlockArg::Value(old)]);
        self.b.switch_to_block(other);
        self.drop_shared(old);
        let object = self.box_f64(number);
        self.b.ins().jump(done, &[BlockArg::Value(object)]);
        self.b.switch_to_block(done);
        Ok(result)
    }

    /// The same for an int, which is new unless it is small.
    pub(crate) fn rebox_i64(&mut self, value: Value, dying: Value) -> Result<clif::Value, Refusal> {
        let (number, old) = (self.v(value), self.v(dying));
        let Some((layout, boxes)) = self.env.layout.and_then(|l| Some((l, l.boxes?))) else {
            self.decref_no_dealloc(dying)?;
            return Ok(self.box_i64(number));
        };
        let [small, large, one_digit, again, shared, other, done] = core::array::from_fn(|_| self.b.create_block());
        let result = self.b.append_block_param(done, types::I64);
        let index = self.b.ins().iadd_imm(number, -FIRST_SMALL);
        let is_small = self.b.ins().icmp_imm(IntCC::UnsignedLessThan, index, SMALL);
        self.branch(is_small, small, large);

        self.b.switch_to_block(small);
        let object = self.small_int(&boxes, index);
        self.decref_no_dealloc(dying)?;
        self.b.ins().jump(done, &[BlockArg::Value(object)]);

        self.b.switch_to_block(large);
        let fits = self.has_one_digit(number);
        self.branch(fits, one_digit, other);
        self.b.switch_to_block(one_digit);
        self.branch_if_last(old, again, shared);
        self.b.switch_to_block(again);
        // It has room for a digit, whatever it was.
        self.set_digit(layout, old, number);
        self.b.ins().jump(done, &[BlockArg::Value(old)]);
        self.b.switch_to_block(shared);
        self.drop_shared(old);
        let object = self.box_i64(number);
        self.b.ins().jump(done, &[BlockArg::Value(object)]);

        self.b.set_cold_block(other);
        self.b.switch_to_block(other);
        self.in_region(Region::Slow(self.op), |t| {
            t.decref_no_dealloc(dying)?;
            let object = t.ask(HostFn::BoxI64, &[number]);
            t.b.ins().jump(done, &[BlockArg::Value(object)]);
            Ok::<_, Refusal>(())
        })?;
        self.b.switch_to_block(done);
        Ok(result)
    }

    /// Goes on in one of the blocks: in the first if there is one reference to the object.
    fn branch_if_last(&mut self, object: clif::Value, last: clif::Block, others: clif::Block) {
        let layout = self.env.layout.expect("the caller has one");
        let count = self.load(types::I32, object, layout.ob_refcnt);
        let is_last = self.b.ins().icmp_imm(IntCC::Equal, count, 1);
        self.branch(is_last, last, others);
    }

    /// The small int with this index.
    fn small_int(&mut self, boxes: &Boxes, index: clif::Value) -> clif::Value {
        let offset = self.b.ins().imul_imm(index, i64::from(boxes.int_size));
        let first = self.word(boxes.small_ints);
        self.b.ins().iadd(first, offset)
    }

    /// Whether an int of this value has at most one digit.
    fn has_one_digit(&mut self, value: clif::Value) -> clif::Value {
        let most = (1 << DIGIT) - 1;
        let moved = self.b.ins().iadd_imm(value, most);
        self.b.ins().icmp_imm(IntCC::UnsignedLessThan, moved, 2 * most + 1)
    }

    /// Gives an int this value, which has one digit and is not zero.
    fn set_digit(&mut self, layout: &Layout, object: clif::Value, value: clif::Value) {
        // The tag is 8 for a positive int of one digit, 10 for a negative one.
        let sign = self.b.ins().ushr_imm(value, 63);
        let sign = self.b.ins().ishl_imm(sign, 1);
        let tag = self.b.ins().bor_imm(sign, 8);
        self.store(tag, object, layout.lv_tag);
        let digit = self.b.ins().iabs(value);
        let digit = self.b.ins().ireduce(types::I32, digit);
        self.store(digit, object, layout.ob_digit);
    }

    /// An int, new unless it is small.
    pub(crate) fn box_i64(&mut self, value: clif::Value) -> clif::Value {
        let Some((layout, boxes)) = self.env.layout.and_then(|l| Some((l, l.boxes?))) else {
            return self.ask(HostFn::BoxI64, &[value]);
        };
        let [small, large, one_digit, slow, done] = core::array::from_fn(|_| self.b.create_block());
        let result = self.b.append_block_param(done, types::I64);
        let index = self.b.ins().iadd_imm(value, -FIRST_SMALL);
        let is_small = self.b.ins().icmp_imm(IntCC::UnsignedLessThan, index, SMALL);
        self.branch(is_small, small, large);

        self.b.switch_to_block(small);
        let object = self.small_int(&boxes, index);
        self.b.ins().jump(done, &[BlockArg::Value(object)]);

        self.b.switch_to_block(large);
        let fits = self.has_one_digit(value);
        self.branch(fits, one_digit, slow);

        self.b.switch_to_block(one_digit);
        let object = self.take(layout, boxes.ints, boxes.int_type, &boxes, slow);
        self.set_digit(layout, object, value);
        self.b.ins().jump(done, &[BlockArg::Value(object)]);

        self.made_by_host(slow, done, HostFn::BoxI64, value);
        result
    }
}
