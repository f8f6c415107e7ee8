//! Making numbers.
//!
//! Small ints exist already. Other numbers are mostly made of dead ones, which are kept in lists ([`Boxes`]); the host
//! makes the rest.

use crate::host::HostFn;
use crate::layout::{Boxes, Layout};
use crate::translate::{Region, Translator};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, BlockArg, InstBuilder, types};

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
        let offset = self.b.ins().imul_imm(index, i64::from(boxes.int_size));
        let first = self.word(boxes.small_ints);
        let object = self.b.ins().iadd(first, offset);
        self.b.ins().jump(done, &[BlockArg::Value(object)]);

        self.b.switch_to_block(large);
        let most = (1 << DIGIT) - 1;
        let moved = self.b.ins().iadd_imm(value, most);
        let fits = self.b.ins().icmp_imm(IntCC::UnsignedLessThan, moved, 2 * most + 1);
        self.branch(fits, one_digit, slow);

        self.b.switch_to_block(one_digit);
        let object = self.take(layout, boxes.ints, boxes.int_type, &boxes, slow);
        // The tag is 8 for a positive int of one digit, 10 for a negative one.
        let sign = self.b.ins().ushr_imm(value, 63);
        let sign = self.b.ins().ishl_imm(sign, 1);
        let tag = self.b.ins().bor_imm(sign, 8);
        self.store(tag, object, layout.lv_tag);
        let digit = self.b.ins().iabs(value);
        let digit = self.b.ins().ireduce(types::I32, digit);
        self.store(digit, object, layout.ob_digit);
        self.b.ins().jump(done, &[BlockArg::Value(object)]);

        self.made_by_host(slow, done, HostFn::BoxI64, value);
        result
    }
}
