//! Statements, and the instructions that they consist of.

use super::{
    CODE, Content, FLOAT, FLOATS, FUNCTION, INT, INTS, Kind, LIST, LOCALS, NONE, POINT, Recorder, Slot, TUPLE,
};
use hotspur_ir::{
    CodeRef, Cond, Field, FieldKind, Helper, Moves, ObjRef, Opcode, OperandKind, ResultKind, Resume, Value,
};

impl Recorder<'_> {
    fn guard(&mut self, v: Value, class: u32) {
        if !self.info(v).is_guarded || self.rng.one_in(4) {
            self.at();
            if self.rng.one_in(4) {
                self.b.guard_type_or_null(v, ObjRef::from_u32(class));
            }
            self.b.guard_type(v, ObjRef::from_u32(class));
            self.info(v).is_guarded = true;
        }
    }

    fn int(&mut self, v: Value) -> Value {
        if let (Some(u), false) = (self.info(v).unboxed, self.rng.one_in(3)) {
            return u;
        }
        self.guard(v, INT);
        self.at();
        self.b.guard_compact(v);
        let u = self.b.unbox_i64(v);
        self.info(v).unboxed = Some(u);
        u
    }

    fn float(&mut self, v: Value) -> Value {
        if let (Some(u), false) = (self.info(v).unboxed, self.rng.one_in(3)) {
            return u;
        }
        self.guard(v, FLOAT);
        let u = self.b.unbox_f64(v);
        self.info(v).unboxed = Some(u);
        u
    }

    fn kind_of_local(&mut self, i: usize) -> Kind {
        match self.locals[i].content {
            Content::Value(v) => self.info(v).kind.clone(),
            Content::Memory | Content::Null => self.kinds[i].clone(),
        }
    }

    fn push_local(&mut self, i: usize) {
        self.next();
        let v = self.load(i, true);
        self.push(v);
    }

    fn some_local(&mut self, is: impl Fn(&Kind) -> bool) -> Option<usize> {
        let found: Vec<usize> = (0..LOCALS).filter(|&i| is(&self.kind_of_local(i))).collect();
        if found.is_empty() { None } else { Some(self.rng.pick(&found)) }
    }

    fn push_number(&mut self, kind: &Kind) {
        let local = self.some_local(|k| k == kind);
        if let (Some(i), true) = (local, self.rng.below(4) > 0) {
            self.push_local(i);
            return;
        }
        self.next();
        let object = if *kind == Kind::Int { self.rng.pick(&INTS) } else { self.rng.pick(&FLOATS) };
        let v = self.constant(object, kind.clone());
        self.push(v);
    }

    /// Replaces operands on the stack by a result.
    fn done(&mut self, operands: usize, result: Option<Value>) {
        let mut operands: Vec<Value> = (0..operands).map(|_| self.pop()).collect();
        operands.reverse();
        if let Some(v) = result {
            self.push(v);
        }
        operands.into_iter().for_each(|v| self.release(v));
        self.drop_dead();
    }

    fn store(&mut self, i: usize) {
        self.next();
        let v = self.pop();
        let old = self.vacate(i, true);
        self.info(v).aliases += 1;
        self.locals[i] = Slot { content: Content::Value(v), home: false };
        self.release(old);
        self.drop_dead();
    }

    fn store_number(&mut self) {
        let kind = self.info_of_top();
        let targets: &[usize] = match kind {
            Kind::Int => &[0, 1, 2, 8, 9],
            Kind::Float => &[3, 4, 8],
            _ => &[8, 9],
        };
        let i = self.rng.pick(targets);
        self.store(i);
    }

    fn info_of_top(&mut self) -> Kind {
        let v = self.peek(1);
        self.info(v).kind.clone()
    }

    pub fn statement(&mut self) {
        match self.rng.below(19) {
            0..3 => self.int_arithmetic(),
            3..6 => self.float_arithmetic(),
            6 => self.branch(),
            7 => self.copy(),
            8 | 9 => self.attribute(),
            10 => self.item(),
            11 => self.tuple(),
            12 => self.replace_opaque(),
            13 => self.identity(),
            14 => self.cell(),
            15 => self.instance(),
            16 => self.helper(),
            17 if self.may_execute => self.execute(),
            17 => self.method(),
            _ => self.truth(),
        }
    }

    /// Any op that computes such a result from operands of their type.
    fn compute(&mut self, result: ResultKind, operands: &[Value; 2]) -> Value {
        let ty = self.b.superblock().values[operands[0]];
        let takes_them = |kind: FieldKind| kind.operand() == Some(OperandKind::Unboxed(ty));
        let fits = |op: &Opcode| op.info().result == result && op.info().fields.iter().all(|&(_, k)| takes_them(k));
        let ops: Vec<Opcode> = Opcode::COMPUTING.iter().copied().filter(fits).collect();
        let op = self.rng.pick(&ops);
        let fields = operands.iter().cycle().map(|&v| Field::Value(v)).take(op.info().fields.len());
        self.b.push(op.with_fields(fields).expect("operands of its kinds")).expect("a result")
    }

    fn int_arithmetic(&mut self) {
        self.push_number(&Kind::Int);
        self.push_number(&Kind::Int);
        self.next();
        let (x, y) = (self.peek(2), self.peek(1));
        let (a, b) = (self.int(x), self.int(y));
        self.at();
        let n = match self.rng.below(10) {
            0 | 1 => self.b.add_i64_ovf(a, b),
            2 => self.b.sub_i64_ovf(a, b),
            3 => self.b.mul_i64_ovf(a, b),
            4 => self.b.floor_div_i64(a, b),
            5 => self.b.mod_i64(a, b),
            6 => self.b.and_i64(a, b),
            7 => self.b.or_i64(a, b),
            _ => self.compute(ResultKind::I64, &[a, b]),
        };
        let boxed = self.b.box_i64(n);
        self.owned(boxed, Kind::Int);
        self.info(boxed).unboxed = Some(n);
        self.done(2, Some(boxed));
        self.store_number();
    }

    fn float_arithmetic(&mut self) {
        self.push_number(&Kind::Float);
        self.push_number(&Kind::Float);
        self.next();
        let (x, y) = (self.peek(2), self.peek(1));
        let (a, b) = (self.float(x), self.float(y));
        self.at();
        let n = match self.rng.below(6) {
            0 | 1 => self.b.add_f64(a, b),
            2 => self.b.sub_f64(a, b),
            3 => self.b.mul_f64(a, b),
            4 => self.compute(ResultKind::F64, &[a, b]),
            _ => {
                let zero = self.b.const_f64(0.0.into());
                self.at();
                self.b.guard_cmp_f64(Cond::Ne, b, zero);
                self.b.div_f64(a, b)
            }
        };
        let boxed = self.b.box_f64(n);
        self.owned(boxed, Kind::Float);
        self.info(boxed).unboxed = Some(n);
        self.done(2, Some(boxed));
        self.store_number();
    }

    fn compare(&mut self) -> Value {
        let kind = if self.rng.one_in(2) { Kind::Int } else { Kind::Float };
        self.push_number(&kind);
        self.push_number(&kind);
        self.next();
        let (x, y) = (self.peek(2), self.peek(1));
        let cond = self.rng.pick(&Cond::ALL);
        let truth = if kind == Kind::Int {
            let (a, b) = (self.int(x), self.int(y));
            self.b.cmp_i64(cond, a, b)
        } else {
            let (a, b) = (self.float(x), self.float(y));
            self.at();
            if self.rng.one_in(4) { self.compute(ResultKind::Bool, &[a, b]) } else { self.b.cmp_f64(cond, a, b) }
        };
        self.define(truth, Kind::Bool, true);
        self.info(truth).held = true;
        self.done(2, Some(truth));
        truth
    }

    fn branch(&mut self) {
        let truth = self.compare();
        self.next();
        self.at();
        if self.rng.one_in(2) {
            self.b.guard_true(truth)
        } else {
            self.b.guard_false(truth)
        };
        self.done(1, None);
    }

    fn truth(&mut self) {
        let truth = self.compare();
        self.next();
        let object = self.b.box_bool(truth);
        self.define(object, Kind::Bool, true);
        self.info(object).held = true;
        self.done(1, Some(object));
        self.store_number();
    }

    fn copy(&mut self) {
        if self.rng.one_in(2) {
            // Two names for an object: stores through one are seen through the other.
            let i = self.rng.pick(&[5, 6, 7]);
            self.push_local(i);
            self.store_number();
            return;
        }
        let kind = self.rng.pick(&[Kind::Int, Kind::Float]);
        self.push_number(&kind);
        self.store_number();
    }

    fn guard_point(&mut self, v: Value) {
        self.at();
        self.b.guard_type_version(v, 3);
        self.at();
        self.b.guard_inline_values(v);
    }

    fn attribute(&mut self) {
        let Some(i) = self.some_local(|k| *k == Kind::Point) else { return };
        let (index, kind) = self.rng.pick(&[(0, Kind::Float), (1, Kind::Int)]);
        if self.rng.one_in(2) {
            self.push_local(i);
            self.next();
            let v = self.peek(1);
            self.guard_point(v);
            let content = self.b.load_inline(v, index);
            self.at();
            self.b.guard_not_null(content);
            self.borrowed(content, kind);
            self.done(1, Some(content));
            self.store_number();
        } else {
            self.push_number(&kind);
            self.push_local(i);
            self.next();
            let v = self.peek(1);
            self.guard_point(v);
            let old = self.b.load_inline(v, index);
            self.define(old, kind.clone(), false);
            let is_quiet = self.rng.below(3) > 0;
            if is_quiet {
                self.at();
                self.b.guard_not_null(old);
                self.guard(old, if kind == Kind::Int { INT } else { FLOAT });
            }
            let (owner, value) = (self.pop(), self.pop());
            let value = self.take(value);
            self.b.store_inline(owner, index, value);
            self.dead.push(old);
            self.release(owner);
            if is_quiet {
                self.drop_dead()
            } else {
                self.drop_dead_nullable()
            };
        }
    }

    /// As `drop_dead`, of what may be null.
    fn drop_dead_nullable(&mut self) {
        self.snapshot(Resume::After);
        for v in std::mem::take(&mut self.dead) {
            self.b.xdecref(v);
        }
        self.b.check_validity();
    }

    fn item(&mut self) {
        let Some(i) = self.some_local(|k| *k == Kind::List) else { return };
        let store = self.rng.one_in(2);
        if store {
            self.push_number(&Kind::Int);
        }
        self.push_local(i);
        self.push_number(&Kind::Int);
        self.next();
        let (list, key) = (self.peek(2), self.peek(1));
        self.guard(list, LIST);
        let index = self.int(key);
        let len = self.b.list_len(list);
        self.at();
        self.b.guard_index(index, len);
        let items = self.b.list_items(list);
        let old = self.b.load_item(items, index);
        if store {
            let (key, list, value) = (self.pop(), self.pop(), self.pop());
            let value = self.take(value);
            self.b.store_item(items, index, value);
            self.define(old, Kind::Opaque, false);
            self.dead.push(old);
            self.release(list);
            self.release(key);
            self.drop_dead_nullable();
        } else {
            self.borrowed(old, Kind::Int);
            self.done(2, Some(old));
            self.store_number();
        }
    }

    fn tuple(&mut self) {
        if let (Some(i), true) = (self.some_local(|k| matches!(k, Kind::Tuple(_))), self.rng.one_in(2)) {
            let Kind::Tuple(kinds) = self.kind_of_local(i) else { return };
            self.push_local(i);
            self.next();
            let v = self.peek(1);
            self.guard(v, TUPLE);
            let (len, wanted) = (self.b.tuple_len(v), self.b.const_i64(kinds.len() as i64));
            self.at();
            self.b.guard_cmp_i64(Cond::Eq, len, wanted);
            let at = self.rng.below(kinds.len() as u64) as usize;
            let index = self.b.const_i64(at as i64);
            let item = self.b.load_tuple_item(v, index);
            self.borrowed(item, kinds[at].clone());
            self.done(1, Some(item));
            self.store_number();
            return;
        }
        let n = 1 + self.rng.below(3) as usize;
        for _ in 0..n {
            match self.rng.below(6) {
                0 => self.push_local(7),
                1 | 2 => self.push_number(&Kind::Float),
                _ => self.push_number(&Kind::Int),
            }
        }
        self.next();
        let mut items: Vec<Value> = (0..n).map(|_| self.pop()).collect();
        items.reverse();
        let kinds = items.iter().map(|&v| self.info(v).kind.clone()).collect();
        let items: Vec<Value> = items.into_iter().map(|v| self.take(v)).collect();
        let v = self.b.new_tuple(&items);
        self.owned(v, Kind::Tuple(kinds));
        self.push(v);
        self.store_number();
    }

    fn replace_opaque(&mut self) {
        let i = self.rng.pick(&[7, 8, 9]);
        self.next();
        let v = self.constant(NONE, Kind::None);
        self.push(v);
        self.store(i);
    }

    fn identity(&mut self) {
        let (i, j) = (self.rng.below(LOCALS as u64) as usize, self.rng.below(LOCALS as u64) as usize);
        self.push_local(i);
        self.push_local(j);
        self.next();
        let (a, b) = (self.peek(2), self.peek(1));
        let truth = self.b.same_obj(a, b);
        self.define(truth, Kind::Bool, true);
        self.info(truth).held = true;
        self.done(2, Some(truth));
        self.next();
        self.at();
        if i == j {
            self.b.guard_true(truth)
        } else {
            self.b.guard_false(truth)
        };
        self.done(1, None);
    }

    fn cell(&mut self) {
        if let (Some(i), true) = (self.some_local(|k| matches!(k, Kind::Cell(_))), self.rng.one_in(2)) {
            let Kind::Cell(kind) = self.kind_of_local(i) else { return };
            let v = self.load(i, true);
            self.next();
            self.guard(v, 8);
            if self.rng.one_in(2) {
                let content = self.b.load_cell(v);
                self.at();
                self.b.guard_not_null(content);
                self.borrowed(content, *kind);
                self.push(content);
                self.store_number();
            } else {
                self.push_number(&kind);
                self.next();
                let new = self.pop();
                let new = self.take(new);
                let old = self.b.load_cell(v);
                self.b.store_cell(v, new);
                self.define(old, Kind::Opaque, false);
                self.dead.push(old);
                self.drop_dead_nullable();
            }
            return;
        }
        let kind = self.rng.pick(&[Kind::Int, Kind::Float]);
        self.push_number(&kind);
        self.next();
        let v = self.pop();
        let v = self.take(v);
        let cell = self.b.new_cell(v);
        self.owned(cell, Kind::Cell(Box::new(kind)));
        self.push(cell);
        self.store_number();
    }

    fn instance(&mut self) {
        self.push_number(&Kind::Float);
        self.push_number(&Kind::Int);
        self.next();
        let instance = self.b.new_instance(ObjRef::from_u32(POINT));
        let (y, x) = (self.pop(), self.pop());
        let (x, y) = (self.take(x), self.take(y));
        let order = self.rng.one_in(4);
        let stores = if order { [(1, y), (0, x)] } else { [(0, x), (1, y)] };
        for (index, content) in stores {
            self.b.store_inline(instance, index, content);
        }
        self.owned(instance, Kind::Point);
        self.push(instance);
        let i = self.rng.pick(&[5, 8, 9]);
        self.store(i);
    }

    fn method(&mut self) {
        self.push_local(5);
        self.next();
        let function = self.constant(FUNCTION, Kind::Opaque);
        let receiver = self.pop();
        let (function, receiver) = (self.take(function), self.take(receiver));
        let v = self.b.new_bound_method(function, receiver);
        self.owned(v, Kind::Method);
        self.push(v);
        self.store_number();
    }

    /// A call of a helper: binary_op on two ints, or a function.
    fn helper(&mut self) {
        let args = if self.rng.one_in(2) {
            self.push_number(&Kind::Int);
            self.push_number(&Kind::Int);
            self.next();
            let (x, y, add) = (self.peek(2), self.peek(1), self.b.const_i64(0));
            (Helper::BinaryOp, vec![x, y, add])
        } else {
            self.push_number(&Kind::Int);
            self.next();
            let function = self.constant(FUNCTION, Kind::Opaque);
            self.push(function);
            self.next();
            let null = self.b.const_null();
            (Helper::Call, vec![function, null])
        };
        let operands = if args.0 == Helper::BinaryOp { 2 } else { 1 };
        self.at();
        let v = self.b.call_helper(args.0, &args.1).expect("a result");
        self.snapshot(Resume::Raise);
        self.b.check_error(v);
        self.owned(v, Kind::Int);
        self.info(v).is_guarded = false;
        let values: Vec<Value> = (0..operands).map(|_| self.pop()).collect();
        self.push(v);
        self.snapshot(Resume::After);
        values.into_iter().for_each(|v| self.release(v));
        // Validity is checked with what is dropped afterwards still owned by nobody but the superblock.
        for v in std::mem::take(&mut self.dead) {
            self.b.xdecref(v);
        }
        self.b.check_validity();
        if operands == 1 {
            self.next();
            let v = self.pop();
            let below = self.pop();
            self.push(v);
            self.release(below);
            self.drop_dead();
        }
        self.store_number();
    }

    fn execute(&mut self) {
        self.next();
        self.flush();
        self.snapshot(Resume::At);
        self.b.execute(self.pc, Moves::Stays);
        self.forget();
        let pc = self.pc;
        self.pc = 999;
        self.snapshot(Resume::Landed);
        self.b.guard_landed(CodeRef::from_u32(CODE), 999, 0);
        self.pc = pc;
    }
}
