//! The meaning of each op. Of ops that compute, the table has it.

use crate::machine::{Checked, Flow, Leave, Machine, Register};
use crate::runtime::Runtime;
use hotspur_ir::{Inst, Moves, Op, Operands, Unboxed, Value, VirtualKind, op_that_computes};

use Register::{Bool, F64, I64, Obj, Ptr};

/// Operands.
impl<R: Runtime> Machine<'_, R> {
    /// An object that may be null.
    fn nullable(&self, v: Value) -> Checked<Option<R::Obj>> {
        if let Obj(object) = self.get(v)? { Ok(object) } else { Err(format!("{v} is no object")) }
    }

    fn obj(&self, v: Value) -> Checked<R::Obj> {
        self.nullable(v)?.ok_or_else(|| format!("{v} is null"))
    }

    fn ptr(&self, v: Value) -> Checked<u64> {
        if let Ptr(p) = self.get(v)? { Ok(p) } else { Err(format!("{v} is no ptr")) }
    }

    fn all(&self, vs: &[Value]) -> Checked<Vec<Register<R::Obj>>> {
        vs.iter().map(|&v| self.get(v)).collect()
    }
}

impl<R: Runtime> Operands for Machine<'_, R> {
    type Missing = String;

    fn i64(&self, v: Value) -> Checked<i64> {
        if let I64(n) = self.get(v)? { Ok(n) } else { Err(format!("{v} is no i64")) }
    }

    fn f64(&self, v: Value) -> Checked<f64> {
        if let F64(x) = self.get(v)? { Ok(x) } else { Err(format!("{v} is no f64")) }
    }

    fn bool(&self, v: Value) -> Checked<bool> {
        if let Bool(b) = self.get(v)? { Ok(b) } else { Err(format!("{v} is no bool")) }
    }
}

/// What an op came to.
enum Done<O> {
    /// It yields nothing.
    Nothing,
    /// It yields a value.
    Yields(Register<O>),
    /// It exits.
    Exits,
    /// It terminates.
    Ends(Flow<O>),
}

use Done::{Ends, Exits, Nothing, Yields};

/// Goes on if the condition holds.
fn guard<O>(holds: bool) -> Done<O> {
    if holds { Nothing } else { Exits }
}

/// Exits if there is no result.
fn or_exit<O>(result: Option<Register<O>>) -> Done<O> {
    result.map_or(Exits, Yields)
}

impl<R: Runtime> Machine<'_, R> {
    /// Executes an op.
    pub(crate) fn step(&mut self, inst: &Inst) -> Checked<Flow<R::Obj>> {
        if self.sb.may_leave_at_will(inst) && self.rt.wants_failure() {
            return Ok(Flow::Exit(Leave::Side));
        }
        match (self.execute(inst)?, inst.result) {
            (Nothing, None) => Ok(Flow::Next),
            (Yields(register), Some(v)) => self.set(v, register).map(|()| Flow::Next),
            (Exits, _) => Ok(Flow::Exit(Leave::Side)),
            (Ends(flow), _) => Ok(flow),
            (Nothing, Some(_)) | (Yields(_), None) => Err("the op's result is not as the table says".into()),
        }
    }

    /// Drops a reference; frames are published only if that runs code.
    fn drop_reference(&mut self, inst: &Inst, object: R::Obj) -> Checked<()> {
        if self.rt.refcount(object) == 1 {
            self.escaping(inst, |rt| rt.decref(object))
        } else {
            self.rt.decref(object);
            Ok(())
        }
    }

    fn build(&mut self, kind: VirtualKind, fields: &[Value]) -> Checked<Done<R::Obj>> {
        let fields = self.all(fields)?;
        Ok(Yields(Obj(Some(self.rt.build(kind, fields)))))
    }

    fn execute(&mut self, inst: &Inst) -> Checked<Done<R::Obj>> {
        let int2 = |m: &Self, a: Value, b: Value| Ok::<_, String>((m.i64(a)?, m.i64(b)?));
        let float2 = |m: &Self, a: Value, b: Value| Ok::<_, String>((m.f64(a)?, m.f64(b)?));
        Ok(match inst.op {
            // -- constants
            Op::ConstObj { object } => Yields(Obj(Some(self.rt.const_obj(object)))),
            Op::ConstNull {} => Yields(Obj(None)),
            Op::ConstI64 { number } => Yields(I64(number)),
            Op::ConstF64 { number } => Yields(F64(number.get())),
            Op::ConstBool { truth } => Yields(Bool(truth)),

            // -- frames in memory
            Op::LoadLocal { depth, index } => Yields(Obj(self.rt.load_local(depth as usize, index as usize))),
            Op::LoadStack { depth, index } => Yields(Obj(self.rt.load_stack(depth as usize, index as usize))),
            Op::LoadGlobals { depth } => Yields(Obj(Some(self.rt.globals(depth as usize)))),
            Op::LoadBuiltins { depth } => Yields(Obj(Some(self.rt.builtins(depth as usize)))),
            Op::SpillLocal { depth, index, value } => {
                let value = self.nullable(value)?;
                self.rt.spill_local(depth as usize, index as usize, value);
                Nothing
            }
            Op::SpillStack { depth, index, value } => {
                let value = self.nullable(value)?;
                self.rt.spill_stack(depth as usize, index as usize, value);
                Nothing
            }
            Op::PushFrame { code, caller_pc, function, ref locals } => {
                let locals = locals.iter().map(|&v| self.nullable(v)).collect::<Checked<_>>()?;
                let function = self.obj(function)?;
                self.rt.push_frame(code, caller_pc, function, locals);
                Nothing
            }
            Op::PopFrame {} => {
                self.escaping(inst, R::pop_frame)?;
                Nothing
            }

            Op::ReturnValue { value, ref dropped } => {
                let dropped = dropped.iter().map(|&v| self.nullable(v)).collect::<Checked<_>>()?;
                let value = self.obj(value)?;
                self.rt.return_value(value, dropped);
                self.executed = Some(Moves::Returns);
                Nothing
            }

            // -- guards
            Op::GuardType { value, class } => {
                let (value, class) = (self.obj(value)?, self.rt.const_obj(class));
                guard(self.rt.type_of(value) == class)
            }
            Op::GuardTypeOrNull { value, class } => {
                let class = self.rt.const_obj(class);
                guard(self.nullable(value)?.is_none_or(|object| self.rt.type_of(object) == class))
            }
            Op::GuardClassVersion { class, version } => guard(self.rt.class_version(self.obj(class)?) == version),
            Op::GuardTypeVersion { value, version } => guard(self.rt.type_version(self.obj(value)?) == version),
            Op::GuardKeysVersion { dict, version } => guard(self.rt.keys_version(self.obj(dict)?) == version),
            Op::GuardSharedKeysVersion { value, version } => {
                guard(self.rt.shared_keys_version(self.obj(value)?) == version)
            }
            Op::GuardInstanceKeysVersion { class, version } => {
                guard(self.rt.instance_keys_version(self.obj(class)?) == version)
            }
            Op::GuardGlobalVersion { dict, version } => {
                let dict = self.rt.const_obj(dict);
                guard(self.rt.global_version(dict) == version)
            }
            Op::GuardFunctionVersion { function, version } => {
                guard(self.rt.function_version(self.obj(function)?) == version)
            }
            Op::GuardIs { value, object } => guard(self.nullable(value)? == Some(self.rt.const_obj(object))),
            Op::GuardIsNot { value, object } => guard(self.nullable(value)? != Some(self.rt.const_obj(object))),
            Op::GuardTrue { value } => guard(self.bool(value)?),
            Op::GuardFalse { value } => guard(!self.bool(value)?),
            Op::GuardNull { value } => guard(self.nullable(value)?.is_none()),
            Op::GuardNotNull { value } => guard(self.nullable(value)?.is_some()),
            Op::GuardCompact { value } => guard(self.rt.is_compact(self.obj(value)?)),
            Op::GuardWide { value } => guard(self.rt.is_wide(self.obj(value)?)),
            Op::GuardIndex { index, length } => {
                let (index, length) = int2(self, index, length)?;
                guard((0..length).contains(&index))
            }
            Op::GuardCmpI64 { cond, a, b } => {
                let (a, b) = int2(self, a, b)?;
                guard(cond.holds(a, b))
            }
            Op::GuardCmpF64 { cond, a, b } => {
                let (a, b) = float2(self, a, b)?;
                guard(cond.holds(a, b))
            }
            Op::GuardNoDict { value } => guard(!self.rt.has_dict(self.obj(value)?)),
            Op::GuardShared { value } => guard(self.rt.refcount(self.obj(value)?) > 1),
            Op::GuardSharedOrNull { value } => {
                guard(self.nullable(value)?.is_none_or(|object| self.rt.refcount(object) > 1))
            }
            Op::GuardInlineValues { value } => guard(self.rt.has_inline_values(self.obj(value)?)),
            Op::CheckValidity {} => guard(self.is_undisturbed()),
            Op::CheckPeriodic {} => guard(!self.rt.is_periodic_due()),
            Op::GuardPlainFrame {} => guard(self.rt.is_plain_frame()),
            Op::CheckStackSpace {} => guard(self.rt.has_stack_space()),
            Op::CheckError { value } => guard(self.nullable(value)?.is_some()),
            Op::CheckNegative { value } => guard(self.i64(value)? >= 0),

            // -- boxes
            Op::UnboxI64 { value } => Yields(I64(self.rt.unbox_i64(self.obj(value)?))),
            Op::UnboxWide { value } => Yields(I64(self.rt.unbox_wide(self.obj(value)?))),
            Op::BoxI64 { value } => Yields(Obj(Some(self.rt.box_i64(self.i64(value)?)))),
            Op::UnboxF64 { value } => Yields(F64(self.rt.unbox_f64(self.obj(value)?))),
            Op::BoxF64 { value } => Yields(Obj(Some(self.rt.box_f64(self.f64(value)?)))),
            Op::ReboxF64 { value, dying } => {
                self.rt.decref_no_dealloc(self.obj(dying)?);
                Yields(Obj(Some(self.rt.box_f64(self.f64(value)?))))
            }
            Op::ReboxI64 { value, dying } => {
                self.rt.decref_no_dealloc(self.obj(dying)?);
                Yields(Obj(Some(self.rt.box_i64(self.i64(value)?))))
            }
            Op::UnboxBool { value } => Yields(Bool(self.rt.unbox_bool(self.obj(value)?))),
            Op::BoxBool { value } => Yields(Obj(Some(self.rt.box_bool(self.bool(value)?)))),

            // -- numbers: the table says what they compute
            op_that_computes!() => match inst.op.compute(self).ok_or("the table has no meaning for the op")?? {
                Some(Unboxed::I64(n)) => Yields(I64(n)),
                Some(Unboxed::F64(x)) => Yields(F64(x)),
                Some(Unboxed::Bool(b)) => Yields(Bool(b)),
                None => Exits,
            },

            // -- identity
            Op::SameObj { a, b } => Yields(Bool(self.nullable(a)? == self.nullable(b)?)),
            Op::IsNull { a } => Yields(Bool(self.nullable(a)?.is_none())),

            // -- heap
            Op::TypeOf { value } => Yields(Obj(Some(self.rt.type_of(self.obj(value)?)))),
            Op::LoadInline { value, index } => Yields(Obj(self.rt.load_inline(self.obj(value)?, index as usize))),
            Op::StoreInline { value, index, content } => {
                let (value, content) = (self.obj(value)?, self.nullable(content)?);
                self.rt.store_inline(value, index as usize, content);
                Nothing
            }
            Op::LoadSlot { value, offset } => Yields(Obj(self.rt.load_slot(self.obj(value)?, offset as usize))),
            Op::StoreSlot { value, offset, content } => {
                let (value, content) = (self.obj(value)?, self.nullable(content)?);
                self.rt.store_slot(value, offset as usize, content);
                Nothing
            }
            Op::ListLen { list } => Yields(I64(self.rt.list_len(self.obj(list)?))),
            Op::ListItems { list } => Yields(Ptr(self.rt.list_items(self.obj(list)?))),
            Op::LoadItem { items, index } => Yields(Obj(self.rt.load_item(self.ptr(items)?, self.i64(index)?))),
            Op::StoreItem { items, index, content } => {
                let (items, index, content) = (self.ptr(items)?, self.i64(index)?, self.nullable(content)?);
                self.rt.store_item(items, index, content);
                Nothing
            }
            Op::TupleLen { tuple } => Yields(I64(self.rt.tuple_len(self.obj(tuple)?))),
            Op::LoadTupleItem { tuple, index } => {
                Yields(Obj(self.rt.load_tuple_item(self.obj(tuple)?, self.i64(index)?)))
            }
            Op::GuardTypecode { array, typecode } => guard(self.rt.typecode(self.obj(array)?) == typecode),
            Op::ArrayLen { array } => Yields(I64(self.rt.array_len(self.obj(array)?))),
            Op::ArrayElements { array, offset } => {
                Yields(Ptr(self.rt.array_elements(self.obj(array)?, offset as usize)))
            }
            Op::InnerElements { object, offset } => {
                Yields(Ptr(self.rt.inner_elements(self.obj(object)?, offset as usize)))
            }
            Op::LoadElementI64 { elements, index, kind } => {
                Yields(I64(self.rt.load_element_i64(self.ptr(elements)?, self.i64(index)?, kind)))
            }
            Op::LoadElementF64 { elements, index, kind } => {
                Yields(F64(self.rt.load_element_f64(self.ptr(elements)?, self.i64(index)?, kind)))
            }
            Op::StoreElementI64 { elements, index, kind, content } => {
                let (elements, index, content) = (self.ptr(elements)?, self.i64(index)?, self.i64(content)?);
                self.rt.store_element_i64(elements, index, kind, content);
                Nothing
            }
            Op::StoreElementF64 { elements, index, kind, content } => {
                let (elements, index, content) = (self.ptr(elements)?, self.i64(index)?, self.f64(content)?);
                self.rt.store_element_f64(elements, index, kind, content);
                Nothing
            }
            Op::LoadCell { cell } => Yields(Obj(self.rt.load_cell(self.obj(cell)?))),
            Op::StoreCell { cell, content } => {
                let (cell, content) = (self.obj(cell)?, self.nullable(content)?);
                self.rt.store_cell(cell, content);
                Nothing
            }
            Op::LoadDictValue { dict, index } => Yields(Obj(self.rt.load_dict_value(self.obj(dict)?, index as usize))),
            Op::StoreDictValue { dict, index, content } => {
                let (dict, content) = (self.obj(dict)?, self.nullable(content)?);
                self.rt.store_dict_value(dict, index as usize, content);
                Nothing
            }
            Op::ModuleDict { module } => Yields(Obj(Some(self.rt.module_dict(self.obj(module)?)))),
            Op::LoadGlobal { dict, index } => {
                let dict = self.rt.const_obj(dict);
                Yields(Obj(self.rt.load_dict_value(dict, index as usize)))
            }
            Op::StoreGlobal { dict, index, content } => {
                let (dict, content) = (self.rt.const_obj(dict), self.nullable(content)?);
                self.rt.store_dict_value(dict, index as usize, content);
                Nothing
            }

            // -- references
            Op::Adopt { value } => Yields(Obj(self.nullable(value)?)),
            Op::Incref { value } => {
                self.rt.incref(self.obj(value)?);
                Nothing
            }
            Op::Decref { value } => {
                self.drop_reference(inst, self.obj(value)?)?;
                Nothing
            }
            Op::Xdecref { value } => {
                if let Some(object) = self.nullable(value)? {
                    self.drop_reference(inst, object)?;
                }
                Nothing
            }
            Op::DecrefNoDealloc { value } => {
                self.rt.decref_no_dealloc(self.obj(value)?);
                Nothing
            }
            Op::XdecrefNoDealloc { value } => {
                if let Some(object) = self.nullable(value)? {
                    self.rt.decref_no_dealloc(object);
                }
                Nothing
            }

            // -- allocation
            Op::NewTuple { ref items } => self.build(VirtualKind::Tuple, items)?,
            Op::NewList { ref items } => self.build(VirtualKind::List, items)?,
            Op::NewSlice { start, stop, step } => self.build(VirtualKind::Slice, &[start, stop, step])?,
            Op::NewRange { start, stop, step } => self.build(VirtualKind::Range, &[start, stop, step])?,
            Op::NewRangeIter { next, step, left } => self.build(VirtualKind::RangeIter, &[next, step, left])?,
            Op::NewBoundMethod { function, receiver } => self.build(VirtualKind::BoundMethod, &[function, receiver])?,
            Op::NewCell { content } => self.build(VirtualKind::Cell, &[content])?,
            Op::NewInstance { class } => {
                let class = self.rt.const_obj(class);
                self.rt.incref(class);
                Yields(Obj(Some(self.rt.build(VirtualKind::Instance, vec![Obj(Some(class))]))))
            }
            Op::Materialize { object } => Yields(Obj(Some(self.materialize(object)?))),

            // -- iterators
            Op::ListIterNext { iter } => or_exit(self.rt.list_iter_next(self.obj(iter)?).map(|o| Obj(Some(o)))),
            Op::TupleIterNext { iter } => or_exit(self.rt.tuple_iter_next(self.obj(iter)?).map(|o| Obj(Some(o)))),
            Op::RangeIterNext { iter } => or_exit(self.rt.range_iter_next(self.obj(iter)?).map(I64)),
            Op::GuardListIterDone { iter } | Op::GuardTupleIterDone { iter } | Op::GuardRangeIterDone { iter } => {
                guard(self.rt.is_iter_done(self.obj(iter)?))
            }

            // -- generators
            Op::GuardSuspended { generator, code, pc } => {
                let generator = self.obj(generator)?;
                guard(self.rt.is_suspended_at(generator, code, pc))
            }
            Op::CheckUntracked {} => guard(self.rt.is_untracked()),
            Op::LoadGenerator { generator, index } => {
                Yields(Obj(self.rt.load_generator(self.obj(generator)?, index as usize)))
            }
            Op::StoreGenerator { generator, index, content } => {
                let (generator, content) = (self.obj(generator)?, self.nullable(content)?);
                self.rt.store_generator(generator, index as usize, content);
                Nothing
            }
            Op::GeneratorGlobals { generator } => Yields(Obj(Some(self.rt.generator_globals(self.obj(generator)?)))),
            Op::GeneratorBuiltins { generator } => Yields(Obj(Some(self.rt.generator_builtins(self.obj(generator)?)))),
            Op::ResumeGenerator { generator } => {
                self.rt.resume_generator(self.obj(generator)?);
                Nothing
            }
            Op::SuspendGenerator { generator, code, pc, stack, delegates } => {
                self.rt.suspend_generator(self.obj(generator)?, code, pc, stack as usize, delegates);
                Nothing
            }
            Op::PushGenerator { generator, code: _, caller_pc } => {
                self.rt.push_generator(self.obj(generator)?, caller_pc);
                Nothing
            }
            Op::PopGenerator {} => {
                self.rt.pop_generator();
                Nothing
            }
            Op::GuardCaller { code, pc } => guard(self.rt.is_caller_at(code, pc)),
            Op::UnlinkFirst { code: _ } => Yields(Obj(Some(self.rt.unlink_first()))),
            Op::FinishGenerator { generator } => {
                let generator = self.obj(generator)?;
                self.escaping(inst, |rt| rt.finish_generator(generator))?;
                Nothing
            }
            Op::NewGenerator { code, pc, function, ref locals } => {
                let locals = locals.iter().map(|&v| self.nullable(v)).collect::<Checked<_>>()?;
                let function = self.obj(function)?;
                Yields(Obj(Some(self.rt.new_generator(code, pc, function, locals))))
            }

            // -- calls
            Op::CallHelper { helper, ref args } => {
                let args = self.all(args)?;
                let result = if helper.info().effects.escapes {
                    self.escaping(inst, |rt| rt.call_helper(helper, &args))?
                } else {
                    self.rt.call_helper(helper, &args)
                };
                result.map_or(Nothing, Yields)
            }

            // -- instructions of tier 1
            Op::Execute { pc, moves } => {
                self.execute_one(inst, pc, moves)?;
                Nothing
            }
            Op::GuardLanded { code, pc, stack } => {
                let moves = self.executed.take().ok_or("nothing was executed before")?;
                guard(self.is_undisturbed() && self.rt.has_landed(code, pc, moves, stack as usize))
            }

            // -- terminators
            Op::EnterLoop { ref args } | Op::JumpLoop { ref args } => Ends(Flow::Loop(self.all(args)?)),
            Op::Exit { reason: _ } | Op::LeaveLanded {} => Exits,
            Op::DynamicExit { pc } => Ends(Flow::Exit(Leave::Dynamic(self.i64(pc)?))),
            Op::Link { executor, ref args } => Ends(Flow::Exit(Leave::Link(executor, self.all(args)?))),
        })
    }
}
