//! Steps of programs.

use super::{Model, world};
use cranelift_entity::EntityRef;
use hotspur_ir::*;

fn known(i: usize) -> ObjRef {
    ObjRef::new(i)
}

impl Model {
    /// Appends the ops of a step.
    pub(super) fn step(&mut self, (which, raw): (u8, u32)) {
        self.raw = raw;
        // References die soon: what they keep alive is what makes other code run.
        if self.owned.len() > 3 {
            self.drop_some();
        }
        match which % 25 {
            0..=4 => self.compute(),
            5 => self.guard_number(),
            6 => self.boxes(),
            7 => self.load(),
            8 => {
                let (index, content) =
                    (self.pick(self.frames[self.frames.len() - 1].locals.len().max(1)), self.field(0));
                if index < self.top().locals.len() {
                    self.set_local(index, content);
                }
            }
            9 => self.give_to_local(),
            10 => {
                let object = self.object();
                self.b.incref(object);
                self.owned.push(object);
            }
            11 | 12 => self.drop_some(),
            13 => self.list(),
            24 => self.array(),
            14 => self.tuple(),
            15 => self.cell(),
            16 => self.new_object(),
            17 => self.helper(),
            18 => self.call(),
            19 => self.attribute(),
            20 => self.guard_object(),
            21 => self.iterator(),
            22 => self.frame(),
            23 => self.generator(),
            _ => {
                let stack = self.pick(3);
                self.execute(stack);
            }
        }
    }

    /// An op that computes, whichever the table has.
    fn compute(&mut self) {
        let op = Opcode::COMPUTING[self.pick(Opcode::COMPUTING.len())];
        let info = op.info();
        if info.effects.needs_snapshot() {
            self.at();
        }
        let field = |(_, kind): &(_, FieldKind)| match kind {
            FieldKind::I64 => Field::Value(self.int()),
            FieldKind::F64 => Field::Value(self.float()),
            FieldKind::Bool => Field::Value(self.truth()),
            FieldKind::Cond => Field::Imm(Imm::Cond(self.cond())),
            other => panic!("{} computes from a field of the kind {}", info.name, other.name()),
        };
        let fields: Vec<Field> = info.fields.iter().map(field).collect();
        let v = self.b.push(op.with_fields(fields).expect("they are those of the table")).expect("it computes");
        match self.b.superblock().values[v] {
            Type::I64 => self.ints.push(v),
            Type::F64 => self.floats.push(v),
            Type::Bool => self.bools.push(v),
            other => panic!("{} computes a value of type {other}", info.name),
        }
    }

    fn cond(&mut self) -> Cond {
        Cond::ALL[self.pick(6)]
    }

    fn guard_number(&mut self) {
        self.at();
        match self.pick(8) {
            0 => {
                let v = self.truth();
                self.b.guard_true(v);
            }
            1 => {
                let v = self.truth();
                self.b.guard_false(v);
            }
            2 => {
                let (index, length) = (self.int(), self.int());
                self.b.guard_index(index, length);
            }
            3 => {
                let (cond, a, b) = (self.cond(), self.float(), self.float());
                self.b.guard_cmp_f64(cond, a, b);
            }
            4 => self.b.check_periodic(),
            5 => self.b.check_stack_space(),
            6 => self.b.check_validity(),
            _ => {
                let (cond, a, b) = (self.cond(), self.int(), self.int());
                self.b.guard_cmp_i64(cond, a, b);
            }
        }
    }

    fn boxes(&mut self) {
        match self.pick(5) {
            0 => {
                let a = self.int();
                let v = self.b.box_i64(a);
                self.owned.push(v);
            }
            1 => {
                let a = self.float();
                let v = self.b.box_f64(a);
                self.owned.push(v);
            }
            2 => {
                let a = self.truth();
                let v = self.b.box_bool(a);
                let back = self.b.unbox_bool(v);
                self.bools.push(back);
                self.borrowed.push(v);
            }
            3 => {
                let object = self.b.const_obj(known(world::INT));
                self.at();
                self.b.guard_compact(object);
                let v = self.b.unbox_i64(object);
                self.at();
                self.b.guard_wide(object);
                let wide = self.b.unbox_wide(object);
                self.ints.extend([v, wide]);
            }
            _ => {
                let a = self.float();
                let object = self.b.box_f64(a);
                match self.pick(4) {
                    0 => self.b.decref_no_dealloc(object),
                    1 => self.b.xdecref_no_dealloc(object),
                    2 => {
                        let b = self.float();
                        let v = self.b.rebox_f64(b, object);
                        self.owned.push(v);
                    }
                    _ => {
                        let (b, c) = (self.int(), self.int());
                        let dying = self.b.box_i64(b);
                        let v = self.b.rebox_i64(c, dying);
                        self.b.decref_no_dealloc(object);
                        self.owned.push(v);
                    }
                }
            }
        }
    }

    fn load(&mut self) {
        let depth = self.frames.len() - 1;
        let frame = &self.frames[depth];
        let (locals, stack) = (frame.locals.len(), frame.stack);
        let v = match self.pick(2) {
            0 if stack > 0 => {
                let index = self.pick(stack) as u32;
                self.b.load_stack(depth as u32, index)
            }
            _ if locals > 0 => {
                let index = self.pick(locals);
                if self.frames[depth].locals[index] != Slot::Unchanged {
                    return;
                }
                let v = self.b.load_local(depth as u32, index as u32);
                if self.pick(2) == 0 {
                    // The slot's own reference becomes the superblock's.
                    self.at();
                    self.b.guard_not_null(v);
                    self.top().locals[index] = Slot::Null;
                    self.owned.push(v);
                    return;
                }
                v
            }
            _ => return,
        };
        let absent = self.b.is_null(v);
        self.bools.push(absent);
        self.at();
        self.b.guard_not_null(v);
        // It goes on being the slot's, which may be overwritten: the superblock takes a reference.
        self.b.incref(v);
        self.owned.push(v);
    }

    fn give_to_local(&mut self) {
        let n = self.top().locals.len();
        if n > 0 {
            let (index, object) = (self.pick(n), self.reference());
            self.set_local(index, Slot::Owned(object));
        }
    }

    fn drop_some(&mut self) {
        for _ in 0..=self.pick(2) {
            if !self.owned.is_empty() {
                let i = self.pick(self.owned.len());
                let v = self.owned.swap_remove(i);
                let may_be_null = self.pick(2) == 0;
                self.drop_reference(v, may_be_null);
            }
        }
        self.next_pc += 1;
        let pc = self.next_pc;
        self.snapshot(Resume::After, pc, &[]);
        self.check_validity();
    }

    /// An index, mostly one that is in bounds.
    fn index(&mut self) -> Value {
        if self.pick(8) == 0 {
            return self.int();
        }
        let i = self.pick(2);
        self.ints[i]
    }

    fn list(&mut self) {
        let list = self.b.const_obj(known(world::LIST));
        let (length, index) = (self.b.list_len(list), self.index());
        self.ints.push(length);
        let items = self.b.list_items(list);
        self.at();
        self.b.guard_index(index, length);
        let old = self.b.load_item(items, index);
        if self.pick(2) == 0 {
            self.b.incref(old);
            self.owned.push(old);
        } else {
            let new = self.reference();
            self.b.store_item(items, index, new);
            self.owned.push(old);
        }
    }

    fn array(&mut self) {
        let is_double = self.pick(2) == 0;
        let (object, typecode) = if is_double { (world::DOUBLES, b'd') } else { (world::BYTES, b'b') };
        let array = self.b.const_obj(known(object));
        self.at();
        self.b.guard_typecode(array, typecode.into());
        let (length, index) = (self.b.array_len(array), self.index());
        self.ints.push(length);
        // Images have the elements in the object, and their address as well.
        let elements =
            if self.pick(3) == 0 { self.b.inner_elements(array, 256) } else { self.b.array_elements(array, 24) };
        self.at();
        self.b.guard_index(index, length);
        match (is_double, self.pick(3)) {
            (true, 0) => {
                let content = self.float();
                self.b.store_element_f64(elements, index, FloatKind::F64, content);
            }
            (true, _) => {
                let v = self.b.load_element_f64(elements, index, FloatKind::F64);
                self.floats.push(v);
            }
            (false, 0) => {
                let content = self.int();
                let (least, greatest) = (self.b.const_i64(-128), self.b.const_i64(127));
                self.at();
                self.b.guard_cmp_i64(Cond::Ge, content, least);
                self.b.guard_cmp_i64(Cond::Le, content, greatest);
                self.b.store_element_i64(elements, index, IntKind::I8, content);
            }
            (false, _) => {
                let v = self.b.load_element_i64(elements, index, IntKind::I8);
                self.ints.push(v);
            }
        }
    }

    fn tuple(&mut self) {
        let tuple = self.b.const_obj(known(world::TUPLE));
        let (length, index) = (self.b.tuple_len(tuple), self.index());
        self.at();
        self.b.guard_index(index, length);
        let item = self.b.load_tuple_item(tuple, index);
        let class = self.b.type_of(item);
        let same = self.b.same_obj(class, item);
        self.bools.push(same);
        self.borrowed.push(item);
    }

    fn cell(&mut self) {
        let cell = self.b.const_obj(known(world::CELL));
        let old = self.b.load_cell(cell);
        self.at();
        self.b.guard_not_null(old);
        if self.pick(2) == 0 {
            let new = self.reference();
            self.b.store_cell(cell, new);
            self.owned.push(old);
        } else {
            self.b.incref(old);
            self.owned.push(old);
        }
    }

    fn new_object(&mut self) {
        let references = |m: &mut Model, n: usize| (0..n).map(|_| m.reference()).collect::<Vec<_>>();
        let v = match self.pick(10) {
            8 => {
                let (start, stop, step) = (self.int(), self.int(), self.int());
                self.at();
                let left = self.b.range_len(start, stop, step);
                self.b.new_range_iter(start, step, left)
            }
            9 => {
                let (start, stop, step) = (self.int(), self.int(), self.b.const_i64(-2));
                self.b.new_range(start, stop, step)
            }
            0 | 1 => {
                let n = self.pick(4);
                let items = references(self, n);
                self.b.new_tuple(&items)
            }
            2 => {
                let n = self.pick(4);
                let items = references(self, n);
                self.b.new_list(&items)
            }
            3 => {
                let parts = references(self, 3);
                self.b.new_slice(parts[0], parts[1], parts[2])
            }
            4 => {
                let parts = references(self, 2);
                self.b.new_bound_method(parts[0], parts[1])
            }
            5 => {
                let content = self.reference();
                self.b.new_cell(content)
            }
            6 => self.b.new_instance(known(world::POINT)),
            _ => {
                let id = self.virtual_object(0);
                let copy = self.copy(id, &mut std::collections::BTreeMap::new());
                self.b.materialize(copy)
            }
        };
        self.owned.push(v);
    }

    /// A helper, whose result is not used before it was checked.
    fn helper(&mut self) {
        let at = |m: &mut Model| {
            m.borrowed.clear();
            m.at()
        };
        let (helper, args) = match self.pick(9) {
            0 => (Helper::BinaryOp, vec![self.constant(), self.constant(), self.int()]),
            1 => (Helper::CompareOp, vec![self.constant(), self.constant(), self.int()]),
            2 => (Helper::IsTrue, vec![self.constant()]),
            3 => (Helper::Length, vec![self.constant()]),
            4 => {
                let list = self.b.const_obj(known(world::LIST));
                (Helper::GetItem, vec![list, self.constant()])
            }
            5 => {
                let list = self.b.const_obj(known(world::LIST));
                (Helper::SetItem, vec![list, self.constant(), self.constant()])
            }
            6 => {
                let list = self.b.const_obj(known(world::LIST));
                // What is stolen is gone, whatever happens.
                let item = self.constant();
                self.b.incref(item);
                (Helper::ListAppend, vec![list, item])
            }
            7 => {
                let (a, b) = (self.float(), self.float());
                let v = self.b.call_helper(Helper::FloatPow, &[a, b]).expect("a double");
                self.floats.push(v);
                return;
            }
            _ => (Helper::IntAdd, vec![self.constant(), self.constant()]),
        };
        let pc = at(self);
        let result = self.b.call_helper(helper, &args).expect("it yields something");
        self.checked(helper, result, pc);
    }

    fn call(&mut self) {
        let which = world::ACTIONS + self.pick(world::ACTIONS_END - world::ACTIONS);
        let function = self.b.const_obj(known(which));
        let null = self.b.const_null();
        let mut args = vec![function, null];
        args.extend((0..self.pick(3)).map(|_| self.constant()));
        self.borrowed.clear();
        let helper = if self.pick(2) == 0 { Helper::Call } else { Helper::CallAny };
        if helper == Helper::CallAny {
            // What is stolen is gone, whatever happens.
            args.iter().filter(|&&v| v != null).for_each(|&v| self.b.incref(v));
        }
        let pc = self.at();
        let result = self.b.call_helper(helper, &args).expect("it yields something");
        self.checked(helper, result, pc);
    }

    /// Checks what a helper has yielded, and validity.
    fn checked(&mut self, helper: Helper, result: Value, pc: u32) {
        self.snapshot(Resume::Raise, pc, &[]);
        let is_object = self.b.superblock().values[result] == Type::Obj;
        if is_object {
            self.b.check_error(result);
            self.owned.push(result);
        } else {
            self.b.check_negative(result);
            self.ints.push(result);
        }
        if helper.info().effects.escapes {
            self.snapshot(Resume::After, pc, &[]);
            self.check_validity();
        }
    }

    fn attribute(&mut self) {
        let instance = self.b.const_obj(known(world::INSTANCE));
        if self.pick(4) == 0 {
            let class = self.b.const_obj(known(world::POINT));
            let version = if self.pick(8) == 0 { 4 } else { 3 };
            self.at();
            self.b.guard_class_version(class, version);
        }
        self.at();
        self.b.guard_type_version(instance, 3);
        self.b.guard_inline_values(instance);
        if self.pick(2) == 0 {
            self.b.guard_no_dict(instance);
        }
        if self.pick(2) == 0 {
            self.b.guard_shared(instance);
        }
        let index = self.pick(2) as u32;
        let old = self.b.load_inline(instance, index);
        if self.pick(4) == 0 {
            self.b.guard_shared_or_null(old);
        }
        if self.pick(4) == 0 {
            self.b.guard_type_or_null(old, known(world::INT_TYPE));
        }
        if self.pick(2) == 0 {
            self.b.guard_not_null(old);
            let new = self.reference();
            self.b.store_inline(instance, index, new);
            self.owned.push(old);
        } else {
            let absent = self.b.is_null(old);
            self.bools.push(absent);
            self.b.guard_null(old);
            let new = self.reference();
            self.b.store_inline(instance, index, new);
        }
    }

    fn guard_object(&mut self) {
        let object = self.object();
        self.at();
        match self.pick(7) {
            0 => self.b.guard_type(object, known(world::INT_TYPE)),
            1 => self.b.guard_is(object, known(world::STR)),
            2 => self.b.guard_is_not(object, known(world::STR)),
            3 => {
                let function = self.b.const_obj(known(world::FUNCTION));
                let version = 9 - self.pick(2) as u32;
                self.b.guard_function_version(function, version);
            }
            4 => {
                let version = 2 + self.pick(2) as u32;
                let dict = match self.pick(3) {
                    0 => self.b.load_globals(0),
                    1 => self.b.load_builtins(0),
                    _ => self.b.const_obj(known(world::DICT)),
                };
                self.b.guard_keys_version(dict, version);
                let value = self.b.load_dict_value(dict, 0);
                let new = self.reference();
                self.b.store_dict_value(dict, 0, new);
                self.owned.push(value);
            }
            5 => {
                let version = 1 + self.pick(2) as u32;
                self.b.guard_global_version(known(world::DICT), version);
                let value = self.b.load_global(known(world::DICT), 0);
                self.b.incref(value);
                self.owned.push(value);
            }
            _ => {
                let null = self.b.is_null(object);
                self.bools.push(null);
            }
        }
    }

    fn iterator(&mut self) {
        let (list, tuple, range) = (world::LIST_ITER, world::TUPLE_ITER, world::RANGE_ITER);
        let which = self.pick(6);
        let iter = self.b.const_obj(known([list, tuple, range][which % 3]));
        self.at();
        match which {
            0 => {
                let v = self.b.list_iter_next(iter);
                self.owned.push(v);
            }
            1 => {
                let v = self.b.tuple_iter_next(iter);
                self.owned.push(v);
            }
            2 => {
                let v = self.b.range_iter_next(iter);
                self.ints.push(v);
            }
            3 if self.pick(4) == 0 => self.b.guard_list_iter_done(iter),
            4 if self.pick(4) == 0 => self.b.guard_tuple_iter_done(iter),
            3 | 4 => {}
            _ => self.b.guard_range_iter_done(iter),
        }
    }
}
