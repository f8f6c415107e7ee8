//! Calls: native functions, finalizers, helpers.

use super::{Action, Kind, Nullable, Toy, ToyRef};
use crate::machine::Register;
use hotspur_ir::{Cond, Helper, arithmetic};

/// What a call comes to; an error is an exception.
type Answer<T = ToyRef> = Result<T, ()>;

/// The object in a register.
fn object(register: Register<ToyRef>) -> Answer {
    if let Register::Obj(Some(o)) = register { Ok(o) } else { Err(()) }
}

/// The number in a register.
fn number(register: Register<ToyRef>) -> Answer<i64> {
    if let Register::I64(n) = register { Ok(n) } else { Err(()) }
}

impl Toy {
    /// Native code runs: it looks at the frames, and does something.
    pub(super) fn act(&mut self, who: &str, action: Action) -> Answer {
        self.log.push(format!("{who} sees"));
        let frames = self.show_frames();
        self.log.extend(frames.into_iter().map(|f| format!("    {f}")));
        match action {
            Action::Return(name) => return self.reference(name).ok_or(()),
            Action::Raise => return Err(()),
            Action::SetLocal(depth, index, name) => {
                self.local(depth, index)?;
                let new = self.reference(name);
                let old = std::mem::replace(self.local(depth, index)?, new);
                self.changed.insert((depth, index));
                old.into_iter().for_each(|o| self.release(o));
            }
            Action::KeepLocal(depth, index) => {
                if let Some(o) = *self.local(depth, index)? {
                    self.adjust(o, 1);
                    self.kept.push(o);
                }
            }
            Action::Invalidate => self.invalid = true,
        }
        Ok(self.singleton(Kind::None))
    }

    /// A local, if there is such a frame.
    fn local(&mut self, depth: usize, index: usize) -> Answer<&mut Nullable> {
        self.frames.get_mut(depth).and_then(|f| f.locals.get_mut(index)).ok_or(())
    }

    fn boolean(&mut self, b: bool) -> ToyRef {
        self.singleton(Kind::Bool(b))
    }

    fn is_true(&mut self, o: ToyRef) -> bool {
        match self.look(o).clone() {
            Kind::None => false,
            Kind::Bool(b) => b,
            Kind::Int(n) => n != 0,
            Kind::Float(x) => x != 0.0,
            Kind::Str(s) => !s.is_empty(),
            Kind::Tuple(items) | Kind::List(items) => !items.is_empty(),
            Kind::Array { elements, .. } => !elements.is_empty(),
            Kind::Range([start, stop, step]) => arithmetic::range_len(start, stop, step) != Some(0),
            Kind::Type { .. }
            | Kind::Slice(_)
            | Kind::Method(_)
            | Kind::Cell(_)
            | Kind::Instance { .. }
            | Kind::Dict { .. }
            | Kind::Module(_)
            | Kind::Function { .. }
            | Kind::ListIter(..)
            | Kind::TupleIter(..)
            | Kind::RangeIter { .. }
            | Kind::Generator(_) => true,
        }
    }

    fn items(&mut self, o: ToyRef) -> Answer<Vec<Nullable>> {
        if let Kind::Tuple(items) | Kind::List(items) = self.look(o) { Ok(items.clone()) } else { Err(()) }
    }

    fn index(&mut self, o: ToyRef, key: ToyRef) -> Answer<usize> {
        let length = self.items(o)?.len();
        let Kind::Int(i) = *self.look(key) else { return Err(()) };
        usize::try_from(i).ok().filter(|&i| i < length).ok_or(())
    }

    fn new_reference(&mut self, o: Nullable) -> Answer {
        let o = o.ok_or(())?;
        self.adjust(o, 1);
        Ok(o)
    }

    fn binary(&mut self, a: ToyRef, b: ToyRef, operator: i64) -> Answer {
        let kind = match (self.look(a).clone(), self.look(b).clone(), operator) {
            (Kind::Int(a), Kind::Int(b), 0) => Kind::Int(a.checked_add(b).ok_or(())?),
            (Kind::Int(a), Kind::Int(b), 5) => Kind::Int(a.checked_mul(b).ok_or(())?),
            (Kind::Int(a), Kind::Int(b), 10) => Kind::Int(a.checked_sub(b).ok_or(())?),
            (Kind::Float(a), Kind::Float(b), 0) => Kind::Float(a + b),
            (Kind::Str(a), Kind::Str(b), 0) => Kind::Str(a + &b),
            // Everything else is a type error to this heap.
            (_, _, _) => return Err(()),
        };
        Ok(self.alloc(kind))
    }

    fn compare(&mut self, a: ToyRef, b: ToyRef, operator: i64) -> Answer {
        const CONDS: [Cond; 6] = [Cond::Lt, Cond::Le, Cond::Eq, Cond::Ne, Cond::Gt, Cond::Ge];
        let cond = *usize::try_from(operator).ok().and_then(|i| CONDS.get(i)).ok_or(())?;
        let (Kind::Int(a), Kind::Int(b)) = (self.look(a).clone(), self.look(b).clone()) else { return Err(()) };
        Ok(self.boolean(cond.holds(a, b)))
    }

    /// An attribute: its name is an int, the index in the inline values.
    fn attribute(&mut self, o: ToyRef, name: ToyRef) -> Answer<&mut Nullable> {
        let Kind::Int(i) = *self.look(name) else { return Err(()) };
        let Kind::Instance { inline: Some(values), .. } = self.look(o) else { return Err(()) };
        values.get_mut(i as usize).ok_or(())
    }

    fn call(&mut self, callable: ToyRef) -> Answer {
        match self.look(callable).clone() {
            Kind::Function { action, .. } => {
                let who = self.show(Some(callable));
                self.act(&who, action)
            }
            Kind::Method([Some(function), _]) => self.call(function),
            _ => Err(()),
        }
    }

    fn iterator(&mut self, o: ToyRef) -> Answer {
        let is_list = match self.look(o) {
            Kind::List(_) => true,
            Kind::Tuple(_) => false,
            _ => return Err(()),
        };
        self.adjust(o, 1);
        Ok(self.alloc(if is_list { Kind::ListIter(Some(o), 0) } else { Kind::TupleIter(Some(o), 0) }))
    }

    fn set_item(&mut self, list: ToyRef, key: ToyRef, value: ToyRef) -> Answer<i64> {
        let i = self.index(list, key)?;
        let Kind::List(items) = self.look(list) else { return Err(()) };
        let old = items[i].replace(value);
        self.adjust(value, 1);
        old.into_iter().for_each(|o| self.release(o));
        Ok(0)
    }

    /// A bound of a slice.
    fn bound(&mut self, o: ToyRef) -> Answer<usize> {
        if let Kind::Int(i) = *self.look(o) { usize::try_from(i).map_err(|_| ()) } else { Err(()) }
    }

    fn helper(&mut self, helper: Helper, a: &[Register<ToyRef>]) -> Answer<Register<ToyRef>> {
        let obj = |o: ToyRef| Register::Obj(Some(o));
        let arg = |i: usize| object(a[i]);
        Ok(match helper {
            Helper::BinaryOp => obj(self.binary(arg(0)?, arg(1)?, number(a[2])?)?),
            Helper::UnaryNegative => {
                let Kind::Int(n) = *self.look(arg(0)?) else { return Err(()) };
                obj(self.alloc(Kind::Int(n.checked_neg().ok_or(())?)))
            }
            Helper::CompareOp => obj(self.compare(arg(0)?, arg(1)?, number(a[2])?)?),
            Helper::ContainsOp => Register::I64(self.items(arg(0)?)?.contains(&Some(arg(1)?)).into()),
            Helper::IsTrue => Register::I64(self.is_true(arg(0)?).into()),
            Helper::Length => Register::I64(self.items(arg(0)?)?.len() as i64),
            Helper::GetItem => {
                let i = self.index(arg(0)?, arg(1)?)?;
                let item = self.items(arg(0)?)?[i];
                obj(self.new_reference(item)?)
            }
            Helper::SetItem => Register::I64(self.set_item(arg(0)?, arg(1)?, arg(2)?)?),
            Helper::GetAttr => {
                let value = *self.attribute(arg(0)?, arg(1)?)?;
                obj(self.new_reference(value)?)
            }
            Helper::SetAttr => {
                let value = arg(2)?;
                let old = self.attribute(arg(0)?, arg(1)?)?.replace(value);
                self.adjust(value, 1);
                old.into_iter().for_each(|o| self.release(o));
                Register::I64(0)
            }
            Helper::GetIter => obj(self.iterator(arg(0)?)?),
            // Nothing stands for the end in this heap: it is an error.
            Helper::Next => {
                let Kind::ListIter(Some(list), at) = *self.look(arg(0)?) else { return Err(()) };
                let item = self.items(list)?.get(at as usize).copied().flatten().ok_or(())?;
                let Kind::ListIter(_, at) = self.look(arg(0)?) else { return Err(()) };
                *at += 1;
                self.adjust(item, 1);
                obj(item)
            }
            Helper::Call | Helper::CallKw | Helper::Enter => obj(self.call(arg(0)?)?),
            Helper::CallAny => {
                let result = self.call(arg(0)?);
                a.iter().filter_map(|&r| object(r).ok()).for_each(|o| self.release(o));
                obj(result?)
            }
            Helper::HasRoom => Register::I64(1),
            Helper::ListAppend => {
                let Kind::List(items) = self.look(arg(0)?) else { return Err(()) };
                items.push(Some(arg(1)?));
                Register::I64(0)
            }
            Helper::QuietBinary => obj(self.binary(arg(0)?, arg(1)?, number(a[2])?)?),
            Helper::QuietCompare => obj(self.compare(arg(0)?, arg(1)?, number(a[2])?)?),
            Helper::QuietIter => obj(self.iterator(arg(0)?)?),
            Helper::QuietCall => {
                // Functions of this heap all look at frames; what is left is to give the arguments back.
                let objects = a[1..].iter().filter_map(|&r| object(r).ok()).collect::<Vec<_>>();
                objects.iter().for_each(|&o| _ = self.adjust(o, 1));
                obj(self.alloc(Kind::Tuple(objects.into_iter().map(Some).collect())))
            }
            Helper::Slice => {
                let (start, stop) = (self.bound(arg(1)?)?, self.bound(arg(2)?)?);
                let items = self.items(arg(0)?)?.get(start..stop).ok_or(())?.to_vec();
                items.iter().flatten().for_each(|&o| _ = self.adjust(o, 1));
                obj(self.alloc(Kind::List(items)))
            }
            Helper::Lookup | Helper::LookupHashed => match self.index(arg(0)?, arg(1)?) {
                Ok(i) => {
                    let item = self.items(arg(0)?)?[i];
                    obj(self.new_reference(item)?)
                }
                Err(()) => Register::Obj(None),
            },
            Helper::LookupOr => {
                let i = self.index(arg(0)?, arg(1)?).ok();
                let item = if let Some(i) = i { self.items(arg(0)?)?[i] } else { Some(arg(2)?) };
                obj(self.new_reference(item)?)
            }
            Helper::Member | Helper::MemberHashed => {
                Register::I64(self.items(arg(0)?)?.contains(&Some(arg(1)?)).into())
            }
            Helper::QuietTruth => Register::I64(self.is_true(arg(0)?).into()),
            Helper::Storable => Register::I64(self.index(arg(0)?, arg(1)?).is_ok().into()),
            Helper::DictStore => {
                let (i, value) = (self.index(arg(0)?, arg(1)?)?, arg(2)?);
                self.adjust(value, 1);
                let Kind::List(items) = self.look(arg(0)?) else { return Err(()) };
                let old = items[i].replace(value);
                obj(old.unwrap_or_else(|| self.singleton(Kind::None)))
            }
            Helper::DictDelete => {
                let at = self.index(arg(0)?, arg(1)?);
                let Kind::List(items) = self.look(arg(0)?) else { return Err(()) };
                Register::Obj(at.ok().and_then(|i| items[i].take()))
            }
            Helper::DictFill => {
                let items = self.items(arg(1)?)?;
                let is_empty = self.items(arg(0)?)?.is_empty();
                if is_empty {
                    items.iter().flatten().for_each(|&o| _ = self.adjust(o, 1));
                    let Kind::List(list) = self.look(arg(0)?) else { return Err(()) };
                    *list = items;
                }
                Register::I64(is_empty.into())
            }
            Helper::KeysAre => Register::I64((self.items(arg(0)?)?.len() == a.len() - 2).into()),
            Helper::KeyedItem => {
                let items = self.items(arg(0)?)?;
                Register::Obj(usize::try_from(number(a[2])?).ok().and_then(|i| *items.get(i)?))
            }
            Helper::NameStore | Helper::StoreAny => {
                let (at, value) = (self.index(arg(0)?, arg(1)?), arg(2)?);
                let Kind::List(items) = self.look(arg(0)?) else { return Err(()) };
                let old = at.ok().and_then(|i| items[i].is_some().then(|| items[i].replace(value)).flatten());
                if old.is_some() {
                    self.adjust(value, 1);
                }
                Register::Obj(old)
            }
            Helper::BuildMap => {
                let values = a[2..].iter().map(|&r| object(r).ok()).collect::<Vec<_>>();
                values.iter().flatten().for_each(|&o| _ = self.adjust(o, 1));
                obj(self.alloc(Kind::List(values)))
            }
            Helper::SetAdd => {
                let key = arg(1)?;
                if !self.items(arg(0)?)?.contains(&Some(key)) {
                    let Kind::List(items) = self.look(arg(0)?) else { return Err(()) };
                    items.push(Some(key));
                    self.adjust(key, 1);
                }
                Register::I64(1)
            }
            Helper::SetDiscard => {
                let (set, key) = (arg(0)?, arg(1)?);
                let at = self.items(set)?.iter().position(|&item| item == Some(key));
                if let Some(i) = at {
                    let Kind::List(items) = self.look(set) else { return Err(()) };
                    items.remove(i);
                    // The caller has another one.
                    self.adjust(key, -1);
                }
                Register::I64(at.is_some().into())
            }
            Helper::SliceItem => {
                let Kind::Slice([Some(start), Some(stop), _]) = *self.look(arg(1)?) else {
                    return Ok(Register::Obj(None));
                };
                let bounds = self.bound(start).and_then(|start| Ok(start..self.bound(stop)?));
                let items = self.items(arg(0)?)?;
                let Some(items) = bounds.ok().and_then(|bounds| items.get(bounds)) else {
                    return Ok(Register::Obj(None));
                };
                items.iter().flatten().for_each(|&o| _ = self.adjust(o, 1));
                obj(self.alloc(Kind::List(items.to_vec())))
            }
            Helper::Search => {
                let (items, wanted) = (self.items(arg(0)?)?, Some(arg(1)?));
                let count = items.iter().filter(|&&item| item == wanted).count();
                let index = items.iter().position(|&item| item == wanted);
                Register::I64(if number(a[2])? == 1 { count as i64 } else { index.map_or(-1, |i| i as i64) })
            }
            Helper::ListRemove => {
                let wanted = Some(arg(1)?);
                let at = self.items(arg(0)?)?.iter().position(|&item| item == wanted);
                let Kind::List(items) = self.look(arg(0)?) else { return Ok(Register::Obj(None)) };
                Register::Obj(at.and_then(|i| items.remove(i)))
            }
            Helper::SliceStep => {
                let bounds = self.bound(arg(1)?).and_then(|start| Ok(start..self.bound(arg(2)?)?));
                let Some(items) =
                    bounds.ok().and_then(|bounds| self.items(arg(0).ok()?).ok()?.get(bounds).map(<[_]>::to_vec))
                else {
                    return Ok(Register::Obj(None));
                };
                items.iter().flatten().for_each(|&o| _ = self.adjust(o, 1));
                obj(self.alloc(Kind::List(items)))
            }
            Helper::Identity => Register::I64(i64::from(arg(0)?.0) + 1),
            Helper::DequeAppend => {
                let item = arg(2)?;
                let Kind::List(items) = self.look(arg(1)?) else { return Ok(Register::I64(0)) };
                items.push(Some(item));
                self.adjust(item, 1);
                Register::I64(1)
            }
            Helper::StoreSlice | Helper::ExchangeSlice => {
                let bounds = self.bound(arg(1)?).and_then(|start| Ok(start..self.bound(arg(2)?)?));
                let (old, new) = (self.items(arg(0)?)?, self.items(arg(3)?)?);
                // What would die has a finalizer, perhaps.
                let stays =
                    bounds.ok().filter(|b| old.get(b.clone()).is_some_and(|old| old.iter().all(Option::is_none)));
                if let Some(bounds) = stays {
                    new.iter().flatten().for_each(|&o| _ = self.adjust(o, 1));
                    let Kind::List(items) = self.look(arg(0)?) else { return Err(()) };
                    items.splice(bounds, new);
                    return Ok(Register::I64(1));
                }
                Register::I64(0)
            }
            Helper::ListConcat => {
                let items = [self.items(arg(0)?)?, self.items(arg(1)?)?].concat();
                items.iter().flatten().for_each(|&o| _ = self.adjust(o, 1));
                (0..2).try_for_each(|i| arg(i).map(|o| self.release(o)))?;
                obj(self.alloc(Kind::List(items)))
            }
            Helper::TupleOfList => {
                let list = arg(0)?;
                let items = self.items(list)?;
                items.iter().flatten().for_each(|&o| _ = self.adjust(o, 1));
                self.release(list);
                obj(self.alloc(Kind::Tuple(items)))
            }
            Helper::ListExtend => {
                let new = self.items(arg(1)?)?;
                new.iter().flatten().for_each(|&o| _ = self.adjust(o, 1));
                let Kind::List(items) = self.look(arg(0)?) else { return Err(()) };
                items.extend(new);
                Register::I64(0)
            }
            Helper::QuietNext => {
                let Kind::ListIter(Some(list), at) = *self.look(arg(0)?) else { return Ok(Register::Obj(None)) };
                let item = self.items(list)?.get(at as usize).copied().flatten();
                if item.is_some() {
                    let Kind::ListIter(_, at) = self.look(arg(0)?) else { return Err(()) };
                    *at += 1;
                }
                item.into_iter().for_each(|o| _ = self.adjust(o, 1));
                Register::Obj(item)
            }
            // Here, a list iterator is an `enumerate` of itself, too, and yields no tuples that it could keep.
            Helper::EnumerateIter => Register::Obj(Some(arg(0)?)),
            Helper::EnumerateNumber => {
                let Kind::ListIter(_, at) = *self.look(arg(0)?) else { return Ok(Register::I64(-1)) };
                Register::I64(at)
            }
            Helper::EnumerateKeep => {
                self.adjust(arg(1)?, -1);
                Register::I64(0)
            }
            Helper::IterDone => {
                let Kind::ListIter(list, at) = *self.look(arg(0)?) else { return Ok(Register::I64(0)) };
                let length = list.map_or(Ok(0), |list| self.items(list).map(|items| items.len()))?;
                Register::I64((at as usize >= length).into())
            }
            Helper::BoundSelf => {
                let descriptor = arg(1)?;
                let Kind::Method([Some(function), receiver]) = *self.look(arg(0)?) else {
                    return Ok(Register::Obj(None));
                };
                Register::Obj(receiver.filter(|_| function == descriptor))
            }
            Helper::BindBuiltin => {
                let (descriptor, receiver) = (arg(0)?, arg(1)?);
                [descriptor, receiver].into_iter().for_each(|o| _ = self.adjust(o, 1));
                obj(self.alloc(Kind::Method([Some(descriptor), Some(receiver)])))
            }
            Helper::IterFinish => {
                let (Kind::ListIter(sequence, _) | Kind::TupleIter(sequence, _)) = self.look(arg(0)?) else {
                    return Err(());
                };
                let sequence = sequence.take();
                obj(sequence.unwrap_or_else(|| self.singleton(Kind::None)))
            }
            Helper::InstanceDict => {
                let (o, i) = (arg(0)?, number(a[2])?);
                let is_there =
                    matches!(self.look(o), Kind::Dict { .. }) && matches!(*self.look(arg(1)?), Kind::Int(n) if n == i);
                Register::Obj(is_there.then_some(o))
            }
            Helper::OwnDict => {
                let o = arg(0)?;
                if !matches!(self.look(o), Kind::Dict { .. }) {
                    return Err(());
                }
                self.adjust(o, 1);
                Register::Obj(Some(o))
            }
            Helper::AnyAttribute => {
                let value = *self.attribute(arg(0)?, arg(1)?)?;
                if let Some(value) = value {
                    self.adjust(value, 1);
                }
                Register::Obj(value)
            }
            Helper::HasAttribute => Register::I64(self.attribute(arg(0)?, arg(1)?)?.is_some().into()),
            Helper::AnyInstance => {
                let class = arg(1)?;
                Register::I64((self.class_of(arg(0)?) == class).into())
            }
            Helper::InstanceLacks => Register::I64(self.attribute(arg(0)?, arg(1)?)?.is_none().into()),
            Helper::StrConcat | Helper::IntAdd => obj(self.binary(arg(0)?, arg(1)?, 0)?),
            Helper::StrEq => {
                let (a, b) = (self.look(arg(0)?).clone(), self.look(arg(1)?).clone());
                Register::I64((a == b).into())
            }
            Helper::StrHash => {
                let Kind::Str(text) = self.look(arg(0)?) else { return Err(()) };
                Register::I64(text.bytes().fold(0, |hash: i64, byte| hash.wrapping_mul(31) + i64::from(byte)))
            }
            Helper::QuietFormat | Helper::QuietConvert => {
                let text = match self.look(arg(0)?) {
                    Kind::Int(n) => n.to_string(),
                    Kind::Str(s) => s.clone(),
                    _ => return Err(()),
                };
                obj(self.alloc(Kind::Str(text)))
            }
            Helper::JoinStrings => {
                let mut all = String::new();
                for &register in &a[1..] {
                    let Kind::Str(s) = self.look(object(register)?) else { return Err(()) };
                    all.push_str(s);
                }
                obj(self.alloc(Kind::Str(all)))
            }
            Helper::NewFunction => {
                // What functions of this heap do is not their code's business.
                let Kind::Int(version) = *self.look(arg(0)?) else { return Err(()) };
                let action = Action::Raise;
                obj(self.alloc(Kind::Function { version: u32::try_from(version).map_err(|_| ())?, action }))
            }
            Helper::SetFunctionAttribute => {
                // They have no attributes.
                let attribute = arg(1)?;
                self.release(attribute);
                Register::I64(0)
            }
            Helper::FloatPow => {
                let (Register::F64(x), Register::F64(y)) = (a[0], a[1]) else { return Err(()) };
                Register::F64(x.powf(y))
            }
        })
    }

    /// Calls a helper; what it yields with an exception set is what its result's type has for that.
    pub(super) fn helper_or_error(&mut self, helper: Helper, args: &[Register<ToyRef>]) -> Register<ToyRef> {
        self.helper(helper, args).unwrap_or_else(|()| {
            self.raised = true;
            if helper.info().result.ty() == Some(hotspur_ir::Type::Obj) {
                Register::Obj(None)
            } else {
                Register::I64(-1)
            }
        })
    }
}
