//! Objects: types, boxes, attributes, containers, iterators.

use crate::compile::Refusal;
use crate::host::{Callee, HostFn};
use crate::translate::{Region, Translator};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, BlockArg, InstBuilder, types};
use hotspur_ir::{Cond, Helper, Inst, Op, Value};

/// What an iterator goes over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequence {
    List,
    Tuple,
}

type Nothing = Option<clif::Value>;

impl Translator<'_> {
    /// A field of the object, which the host's function reads where there is no layout.
    pub(crate) fn field(&mut self, object: Value, offset: Option<i32>, function: HostFn) -> clif::Value {
        let object = self.v(object);
        if let Some(offset) = offset { self.load(types::I64, object, offset) } else { self.ask(function, &[object]) }
    }

    pub(crate) fn type_of(&mut self, value: clif::Value) -> clif::Value {
        if let Some(layout) = self.env.layout {
            self.load(types::I64, value, layout.ob_type)
        } else {
            self.ask(HostFn::TypeOf, &[value])
        }
    }

    // -- boxes -----------------------------------------------------------------------------------------------------------

    /// The sign is one less than the low bits of the tag: 0 is positive, 1 zero, 2 negative.
    pub(crate) fn unbox_i64(&mut self, value: Value) -> clif::Value {
        let value = self.v(value);
        let Some(layout) = self.env.layout else { return self.ask(HostFn::UnboxI64, &[value]) };
        let digit = self.load(types::I32, value, layout.ob_digit);
        let digit = self.b.ins().uextend(types::I64, digit);
        let tag = self.load(types::I64, value, layout.lv_tag);
        let bits = self.b.ins().band_imm(tag, 3);
        let one = self.word(1);
        let sign = self.b.ins().isub(one, bits);
        self.b.ins().imul(digit, sign)
    }

    /// The second digit is looked at even if there is none: an int has room for it, since objects end at multiples of 8 bytes.
    pub(crate) fn unbox_wide(&mut self, value: Value) -> clif::Value {
        let value = self.v(value);
        let Some(layout) = self.env.layout else { return self.ask(HostFn::UnboxWide, &[value]) };
        let low = self.load(types::I32, value, layout.ob_digit);
        let low = self.b.ins().uextend(types::I64, low);
        let high = self.load(types::I32, value, layout.ob_digit + 4);
        let high = self.b.ins().uextend(types::I64, high);
        let high = self.b.ins().ishl_imm(high, 30);
        let tag = self.load(types::I64, value, layout.lv_tag);
        let both = self.b.ins().icmp_imm(IntCC::UnsignedGreaterThanOrEqual, tag, 2 << 3);
        let zero = self.word(0);
        let high = self.b.ins().select(both, high, zero);
        let magnitude = self.b.ins().bor(low, high);
        let bits = self.b.ins().band_imm(tag, 3);
        let one = self.word(1);
        let sign = self.b.ins().isub(one, bits);
        self.b.ins().imul(magnitude, sign)
    }

    pub(crate) fn unbox_f64(&mut self, value: Value) -> clif::Value {
        let value = self.v(value);
        if let Some(layout) = self.env.layout {
            self.load(types::F64, value, layout.ob_fval)
        } else {
            self.ask(HostFn::UnboxF64, &[value])
        }
    }

    pub(crate) fn unbox_bool(&mut self, value: Value) -> clif::Value {
        let value = self.v(value);
        if let Some(layout) = self.env.layout {
            self.b.ins().icmp_imm(IntCC::Equal, value, layout.true_object as i64)
        } else {
            self.ask(HostFn::UnboxBool, &[value])
        }
    }

    pub(crate) fn box_bool(&mut self, value: clif::Value) -> clif::Value {
        if let Some(layout) = self.env.layout {
            let (yes, no) = (self.word(layout.true_object), self.word(layout.false_object));
            self.b.ins().select(value, yes, no)
        } else {
            self.ask(HostFn::BoxBool, &[value])
        }
    }

    // -- attributes ------------------------------------------------------------------------------------------------------

    pub(crate) fn load_inline(&mut self, value: Value, index: u32) -> clif::Value {
        let value = self.v(value);
        if let Some(layout) = self.env.layout {
            return self.load(types::I64, value, layout.inline_values + 8 * index as i32);
        }
        let index = self.number(index);
        self.ask(HostFn::LoadInline, &[value, index])
    }

    /// An attribute that was absent is entered in the order of insertion. If there is a dictionary of the same attributes, that is the
    /// host's business.
    pub(crate) fn store_inline(&mut self, value: Value, index: u32, content: Value) -> Result<Nothing, Refusal> {
        let (value, content) = (self.v(value), self.v(content));
        let Some(layout) = self.env.layout else {
            let index = self.number(index);
            self.call(HostFn::StoreInline, &[value, index, content]);
            return Ok(None);
        };
        let offset = layout.inline_values + 8 * index as i32;
        let old = self.load(types::I64, value, offset);
        let by_host = |t: &mut Self| {
            let index = t.number(index);
            t.call(HostFn::StoreInline, &[value, index, content]);
            Ok(())
        };
        if let Some(order) = layout.inline_order {
            let [absent, shared, alone, next] = core::array::from_fn(|_| self.b.create_block());
            self.branch(old, next, absent);
            self.b.switch_to_block(absent);
            let dict = self.load(types::I64, value, layout.managed_dict);
            self.branch(dict, shared, alone);
            self.b.set_cold_block(shared);
            self.b.switch_to_block(shared);
            self.in_region(Region::Slow(self.op), by_host)?;
            self.b.ins().jump(next, &[]);
            self.b.switch_to_block(alone);
            let size = self.load(types::I8, value, order.size);
            let capacity = self.load(types::I8, value, order.capacity);
            let [place, words] = [size, capacity].map(|n| self.b.ins().uextend(types::I64, n));
            let bytes = self.b.ins().ishl_imm(words, 3);
            let bytes = self.b.ins().iadd(bytes, place);
            let place = self.b.ins().iadd(value, bytes);
            let number = self.b.ins().iconst(types::I8, i64::from(index));
            self.store(number, place, layout.inline_values);
            let size = self.b.ins().iadd_imm(size, 1);
            self.store(size, value, order.size);
            self.b.ins().jump(next, &[]);
            self.b.switch_to_block(next);
        } else {
            let absent = self.b.ins().icmp_imm(IntCC::Equal, old, 0);
            self.seldom(absent, by_host)?;
        }
        // Where the host has stored it, this stores the same again.
        self.store(content, value, offset);
        Ok(None)
    }

    pub(crate) fn load_slot(&mut self, value: Value, offset: u32) -> clif::Value {
        let value = self.v(value);
        if self.env.layout.is_some() {
            return self.load(types::I64, value, offset as i32);
        }
        let offset = self.number(offset);
        self.ask(HostFn::LoadSlot, &[value, offset])
    }

    pub(crate) fn store_slot(&mut self, value: Value, offset: u32, content: Value) -> Nothing {
        let (value, content) = (self.v(value), self.v(content));
        if self.env.layout.is_some() {
            self.store(content, value, offset as i32);
        } else {
            let offset = self.number(offset);
            self.call(HostFn::StoreSlot, &[value, offset, content]);
        }
        None
    }

    // -- lists, tuples, cells --------------------------------------------------------------------------------------------

    pub(crate) fn list_len(&mut self, list: Value) -> clif::Value {
        self.field(list, self.env.layout.map(|l| l.ob_size), HostFn::ListLen)
    }

    pub(crate) fn list_items(&mut self, list: Value) -> clif::Value {
        self.field(list, self.env.layout.map(|l| l.list_ob_item), HostFn::ListItems)
    }

    /// The address of an item, and what is to be added to it.
    fn item(&mut self, items: clif::Value, index: Value) -> (clif::Value, i32) {
        self.scaled(items, index, 8)
    }

    /// The address of an item that takes so many bytes, a power of two, and what is to be added to it.
    pub(crate) fn scaled(&mut self, items: clif::Value, index: Value, width: usize) -> (clif::Value, i32) {
        if let Some(n) = self.constant(index).and_then(|n| i32::try_from(n as i64).ok()?.checked_mul(width as i32)) {
            return (items, n);
        }
        let index = self.v(index);
        let offset = self.b.ins().ishl_imm(index, i64::from(width.trailing_zeros()));
        (self.b.ins().iadd(items, offset), 0)
    }

    pub(crate) fn load_item(&mut self, items: Value, index: Value) -> clif::Value {
        let items = self.v(items);
        if self.env.layout.is_some() {
            let (address, offset) = self.item(items, index);
            return self.load(types::I64, address, offset);
        }
        self.ask(HostFn::LoadItem, &[items, self.v(index)])
    }

    pub(crate) fn store_item(&mut self, items: Value, index: Value, content: Value) -> Nothing {
        let (items, content) = (self.v(items), self.v(content));
        if self.env.layout.is_some() {
            let (address, offset) = self.item(items, index);
            self.store(content, address, offset);
        } else {
            self.call(HostFn::StoreItem, &[items, self.v(index), content]);
        }
        None
    }

    pub(crate) fn tuple_len(&mut self, tuple: Value) -> clif::Value {
        self.field(tuple, self.env.layout.map(|l| l.ob_size), HostFn::TupleLen)
    }

    pub(crate) fn load_tuple_item(&mut self, tuple: Value, index: Value) -> clif::Value {
        let tuple = self.v(tuple);
        if let Some(layout) = self.env.layout {
            let (address, offset) = self.item(tuple, index);
            return self.load(types::I64, address, offset + layout.tuple_ob_item);
        }
        self.ask(HostFn::LoadTupleItem, &[tuple, self.v(index)])
    }

    pub(crate) fn load_cell(&mut self, cell: Value) -> clif::Value {
        self.field(cell, self.env.layout.map(|l| l.ob_ref), HostFn::LoadCell)
    }

    pub(crate) fn store_cell(&mut self, cell: Value, content: Value) -> Nothing {
        let (cell, content) = (self.v(cell), self.v(content));
        if let Some(layout) = self.env.layout {
            self.store(content, cell, layout.ob_ref);
        } else {
            self.call(HostFn::StoreCell, &[cell, content]);
        }
        None
    }

    // -- dictionaries ----------------------------------------------------------------------------------------------------

    pub(crate) fn load_dict_value(&mut self, dict: clif::Value, index: u32) -> clif::Value {
        let number = self.number(index);
        let Some((layout, tables)) = self.env.layout.and_then(|l| Some((l, l.tables?))) else {
            return self.ask(HostFn::LoadDictValue, &[dict, number]);
        };
        if let Some((_, entries)) = self.table.filter(|&(known, _)| known == dict) {
            return self.load(types::I64, entries, tables.dk_indices + 16 * index as i32 + 8);
        }
        let [combined, strings, other, done] = core::array::from_fn(|_| self.b.create_block());
        let result = self.b.append_block_param(done, types::I64);
        let values = self.load(types::I64, dict, tables.ma_values);
        self.branch(values, other, combined);
        self.b.switch_to_block(combined);
        let keys = self.load(types::I64, dict, layout.ma_keys);
        let kind = self.load(types::I8, keys, tables.dk_kind);
        self.branch(kind, strings, other);
        self.b.switch_to_block(strings);
        let size = self.load(types::I8, keys, tables.dk_log2_index_bytes);
        let one = self.word(1);
        let size = self.b.ins().ishl(one, size);
        let entries = self.b.ins().iadd(keys, size);
        let value = self.load(types::I64, entries, tables.dk_indices + 16 * index as i32 + 8);
        self.b.ins().jump(done, &[BlockArg::Value(value)]);
        self.b.set_cold_block(other);
        self.b.switch_to_block(other);
        let value = self.ask(HostFn::LoadDictValue, &[dict, number]);
        self.b.ins().jump(done, &[BlockArg::Value(value)]);
        self.b.switch_to_block(done);
        result
    }

    /// What the helper of this name yields. None if it has to be called.
    pub(crate) fn instance_dict(&mut self, instance: Value, name: Value, index: Value) -> Option<clif::Value> {
        let layout = self.env.layout?;
        let tables = layout.tables?;
        let index = i32::try_from(self.constant(index)?).ok().filter(|&i| i < 1 << 16)?;
        let [other, done] = core::array::from_fn(|_| self.b.create_block());
        let result = [types::I64, types::I64].map(|ty| self.b.append_block_param(done, ty));
        // The instance's type has a version that was guarded, so it manages dictionaries as it did.
        let dict = self.load(types::I64, self.v(instance), layout.managed_dict);
        self.guard_block(dict, other);
        let class = self.load(types::I64, dict, layout.ob_type);
        let expected = self.word(tables.dict_type);
        let is_plain = self.b.ins().icmp(IntCC::Equal, class, expected);
        self.guard_block(is_plain, other);
        let values = self.load(types::I64, dict, tables.ma_values);
        let is_combined = self.b.ins().icmp_imm(IntCC::Equal, values, 0);
        self.guard_block(is_combined, other);
        let keys = self.load(types::I64, dict, layout.ma_keys);
        let kind = self.load(types::I8, keys, tables.dk_kind);
        self.guard_block(kind, other);
        let count = self.load(types::I64, keys, tables.dk_nentries);
        let is_there = self.b.ins().icmp_imm(IntCC::SignedGreaterThan, count, i64::from(index));
        self.guard_block(is_there, other);
        let size = self.load(types::I8, keys, tables.dk_log2_index_bytes);
        let one = self.word(1);
        let size = self.b.ins().ishl(one, size);
        let entries = self.b.ins().iadd(keys, size);
        let key = self.load(types::I64, entries, tables.dk_indices + 16 * index);
        let name = self.v(name);
        let same = self.b.ins().icmp(IntCC::Equal, key, name);
        self.guard_block(same, other);
        self.b.ins().jump(done, &[BlockArg::Value(dict), BlockArg::Value(entries)]);
        self.b.set_cold_block(other);
        self.b.switch_to_block(other);
        let null = self.word(0);
        self.b.ins().jump(done, &[BlockArg::Value(null), BlockArg::Value(null)]);
        self.b.switch_to_block(done);
        self.table = Some((result[0], result[1]));
        Some(result[0])
    }

    /// Goes on if the condition holds, else there.
    fn guard_block(&mut self, condition: clif::Value, otherwise: clif::Block) {
        let next = self.b.create_block();
        self.branch(condition, next, otherwise);
        self.b.switch_to_block(next);
    }

    pub(crate) fn store_dict_value(&mut self, dict: clif::Value, index: u32, content: Value) -> Nothing {
        let (index, content) = (self.number(index), self.v(content));
        self.call(HostFn::StoreDictValue, &[dict, index, content]);
        None
    }

    pub(crate) fn module_dict(&mut self, module: Value) -> clif::Value {
        self.field(module, self.env.layout.map(|l| l.md_dict), HostFn::ModuleDict)
    }

    /// What the helper does, which is called only if the list has to grow. None if it has to be called in any case.
    pub(crate) fn list_append(&mut self, list: Value, item: Value) -> Option<clif::Value> {
        let layout = self.env.layout?;
        let allocated = layout.allocated?;
        let (list, item) = (self.v(list), self.v(item));
        let [room, full, next] = core::array::from_fn(|_| self.b.create_block());
        let answer = self.b.append_block_param(next, types::I64);
        let length = self.load(types::I64, list, layout.ob_size);
        let allocated = self.load(types::I64, list, allocated);
        let fits = self.b.ins().icmp(IntCC::SignedLessThan, length, allocated);
        self.branch(fits, room, full);
        self.b.set_cold_block(full);
        self.b.switch_to_block(full);
        self.in_region(Region::Slow(self.op), |t| {
            let status = t.call_any(Callee::Helper(Helper::ListAppend), &[t.state, list, item]);
            let status = status.expect("the helper yields a number");
            t.b.ins().jump(next, &[BlockArg::Value(status)]);
        });
        self.b.switch_to_block(room);
        let items = self.load(types::I64, list, layout.list_ob_item);
        let distance = self.b.ins().ishl_imm(length, 3);
        let place = self.b.ins().iadd(items, distance);
        self.store(item, place, 0);
        let length = self.b.ins().iadd_imm(length, 1);
        self.store(length, list, layout.ob_size);
        let done = self.word(0);
        self.b.ins().jump(next, &[BlockArg::Value(done)]);
        self.b.switch_to_block(next);
        Some(answer)
    }

    // -- iterators -------------------------------------------------------------------------------------------------------

    /// The next item; exits if there is none, having changed nothing.
    pub(crate) fn sequence_next(&mut self, iter: Value, kind: Sequence) -> clif::Value {
        let iter = self.v(iter);
        let Some(layout) = self.env.layout else {
            let function = match kind {
                Sequence::List => HostFn::ListIterNext,
                Sequence::Tuple => HostFn::TupleIterNext,
            };
            let item = self.ask(function, &[iter]);
            self.guard(item);
            for _ in 1..self.taken {
                self.incref(item);
            }
            return item;
        };
        let sequence = self.load(types::I64, iter, layout.it_seq);
        self.guard(sequence);
        let index = self.load(types::I64, iter, layout.it_index);
        let length = self.load(types::I64, sequence, layout.ob_size);
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, index, length);
        self.guard(inside);
        let (items, offset) = match kind {
            Sequence::List => (self.load(types::I64, sequence, layout.list_ob_item), 0),
            Sequence::Tuple => (sequence, layout.tuple_ob_item),
        };
        let distance = self.b.ins().ishl_imm(index, 3);
        let address = self.b.ins().iadd(items, distance);
        let item = self.load(types::I64, address, offset);
        self.take_references(item, self.taken);
        let next = self.b.ins().iadd_imm(index, 1);
        self.store(next, iter, layout.it_index);
        item
    }

    /// The guard behind an op that asks an `enumerate` for its number, if the two are written together.
    pub(crate) fn asks_whether_ready<'i>(&self, inst: &Inst, next: Option<&'i Inst>) -> Option<&'i Inst> {
        self.env.layout?.enumerates?;
        let (next, number) = (next?, inst.result?);
        let asks = inst.op.helper() == Some(Helper::EnumerateNumber);
        let guards =
            matches!(next.op, Op::GuardCmpI64 { cond: Cond::Ge, a, b } if a == number && self.constant(b) == Some(0));
        // An exit is taken before there is a number.
        let names = |id| self.snapshots[id].live.iter().any(|live| live.value == number);
        (asks && guards && !next.snapshot.is_some_and(names)).then_some(next)
    }

    /// The number of an `enumerate`; exits unless it can go on without building anything.
    pub(crate) fn enumerate_ready(&mut self, inst: &Inst) {
        let (Some(layout), Op::CallHelper { args, .. }) = (self.env.layout, &inst.op) else { return };
        let Some(fields) = layout.enumerates else { return };
        let iter = self.v(args[0]);
        let result = self.load(types::I64, iter, fields.en_result);
        let count = self.load(types::I32, result, layout.ob_refcnt);
        let is_free = self.b.ins().icmp_imm(IntCC::Equal, count, 1);
        self.guard(is_free);
        let old = self.load(types::I64, result, layout.tuple_ob_item + 8);
        let count = self.load(types::I32, old, layout.ob_refcnt);
        let is_last = self.b.ins().icmp_imm(IntCC::Equal, count, 1);
        self.guard_not(is_last);
        let number = self.load(types::I64, iter, fields.en_index);
        // Neither negative nor the largest.
        let fits = self.b.ins().icmp_imm(IntCC::UnsignedLessThan, number, i64::MAX);
        self.guard(fits);
        self.def(inst, number);
    }

    /// What a helper for `enumerate` yields. None if it is another one, or has to be called.
    pub(crate) fn enumerates(&mut self, helper: Helper, args: &[Value]) -> Option<clif::Value> {
        let layout = self.env.layout?;
        let fields = layout.enumerates?;
        let kept = layout.tuple_ob_item + 8;
        match (helper, args) {
            (Helper::EnumerateIter, &[iter]) => Some(self.load(types::I64, self.v(iter), fields.en_sit)),
            (Helper::EnumerateNumber, &[iter]) => {
                let iter = self.v(iter);
                let result = self.load(types::I64, iter, fields.en_result);
                let count = self.load(types::I32, result, layout.ob_refcnt);
                let is_free = self.b.ins().icmp_imm(IntCC::Equal, count, 1);
                let old = self.load(types::I64, result, kept);
                let count = self.load(types::I32, old, layout.ob_refcnt);
                let is_shared = self.b.ins().icmp_imm(IntCC::NotEqual, count, 1);
                let number = self.load(types::I64, iter, fields.en_index);
                let fits = self.b.ins().icmp_imm(IntCC::NotEqual, number, i64::MAX);
                let is_ready = self.b.ins().band(is_free, is_shared);
                let is_ready = self.b.ins().band(is_ready, fits);
                let none = self.word(u64::MAX);
                Some(self.b.ins().select(is_ready, number, none))
            }
            (Helper::EnumerateKeep, &[iter, item]) => {
                let (iter, item) = (self.v(iter), self.v(item));
                let [known, unknown, next] = core::array::from_fn(|_| self.b.create_block());
                let result = self.load(types::I64, iter, fields.en_result);
                let tracked = self.load(types::I64, result, fields.gc_next);
                self.branch(tracked, known, unknown);
                self.b.set_cold_block(unknown);
                self.b.switch_to_block(unknown);
                self.in_region(Region::Slow(self.op), |t| {
                    t.call_any(Callee::Helper(helper), &[t.state, iter, item]);
                    t.b.ins().jump(next, &[]);
                });
                self.b.switch_to_block(known);
                let old = self.load(types::I64, result, kept);
                self.store(item, result, kept);
                let number = self.load(types::I64, iter, fields.en_index);
                let number = self.b.ins().iadd_imm(number, 1);
                self.store(number, iter, fields.en_index);
                // Not the last reference.
                self.drop_shared(old);
                self.b.ins().jump(next, &[]);
                self.b.switch_to_block(next);
                Some(self.word(0))
            }
            _ => None,
        }
    }

    /// Exits unless there is no next item.
    pub(crate) fn guard_iter_done(&mut self, iter: Value, kind: Sequence) -> Nothing {
        let iter = self.v(iter);
        let Some(layout) = self.env.layout else {
            let function = match kind {
                Sequence::List => HostFn::IsListIterDone,
                Sequence::Tuple => HostFn::IsTupleIterDone,
            };
            let done = self.ask(function, &[iter]);
            self.guard(done);
            return None;
        };
        let sequence = self.load(types::I64, iter, layout.it_seq);
        let (there, next) = (self.b.create_block(), self.b.create_block());
        self.branch(sequence, there, next);
        self.b.switch_to_block(there);
        let index = self.load(types::I64, iter, layout.it_index);
        let length = self.load(types::I64, sequence, layout.ob_size);
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, index, length);
        self.guard_not(inside);
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(next);
        None
    }

    /// How many numbers the range iterator has left are not zero.
    fn range_left(&mut self, iter: clif::Value) -> clif::Value {
        if let Some(layout) = self.env.layout {
            let left = self.load(types::I64, iter, layout.range_len);
            return self.b.ins().icmp_imm(IntCC::SignedGreaterThan, left, 0);
        }
        let done = self.ask(HostFn::IsRangeIterDone, &[iter]);
        self.b.ins().bxor_imm(done, 1)
    }

    pub(crate) fn range_next(&mut self, iter: Value) -> clif::Value {
        let iter = self.v(iter);
        let left = self.range_left(iter);
        self.guard(left);
        let Some(layout) = self.env.layout else { return self.ask(HostFn::RangeIterNext, &[iter]) };
        let number = self.load(types::I64, iter, layout.range_start);
        let step = self.load(types::I64, iter, layout.range_step);
        let next = self.b.ins().iadd(number, step);
        self.store(next, iter, layout.range_start);
        let left = self.load(types::I64, iter, layout.range_len);
        let left = self.b.ins().iadd_imm(left, -1);
        self.store(left, iter, layout.range_len);
        number
    }

    pub(crate) fn guard_range_done(&mut self, iter: Value) -> Nothing {
        let iter = self.v(iter);
        let left = self.range_left(iter);
        self.guard_not(left);
        None
    }
}
