//! What an optimizer may know of the toy heap.

use super::{Kind, Toy};
use hotspur_ir::{Builtin, CodeRef, Facts, ObjRef};

impl Toy {
    fn known(&self, object: ObjRef) -> Option<&Kind> {
        self.constant(object).map(|o| &self.objects[o.0 as usize].kind)
    }
}

impl Facts for Toy {
    /// The type, if it is a constant itself.
    fn type_of(&self, object: ObjRef) -> Option<ObjRef> {
        let class = match self.known(object)? {
            Kind::Instance { class, .. } => *class,
            kind => *self.types.get(kind.type_name())?,
        };
        self.names.get(&class).copied()
    }

    fn as_i64(&self, object: ObjRef) -> Option<i64> {
        if let Kind::Int(n) = *self.known(object)? { Some(n) } else { None }
    }

    fn as_f64(&self, object: ObjRef) -> Option<f64> {
        if let Kind::Float(x) = *self.known(object)? { Some(x) } else { None }
    }

    fn as_bool(&self, object: ObjRef) -> Option<bool> {
        if let Kind::Bool(b) = *self.known(object)? { Some(b) } else { None }
    }

    /// The items, if all of them are constants themselves.
    fn tuple_items(&self, object: ObjRef) -> Option<Vec<ObjRef>> {
        let Kind::Tuple(items) = self.known(object)? else { return None };
        items.iter().map(|item| self.names.get(&(*item)?).copied()).collect()
    }

    fn is_immortal(&self, object: ObjRef) -> bool {
        self.known(object).is_some_and(Kind::is_immortal)
    }

    fn type_version(&self, object: ObjRef) -> Option<u32> {
        if let Kind::Type { version, .. } = *self.known(object)? { Some(version) } else { None }
    }

    fn builtin(&self, class: ObjRef) -> Option<Builtin> {
        let Kind::Type { name, .. } = self.known(class)? else { return None };
        Builtin::ALL.into_iter().find(|b| b.name() == name)
    }

    /// Here, finalizers are given to instances, not to classes, and `new_instance` gives none.
    fn has_no_finalizer(&self, _: ObjRef) -> bool {
        true
    }

    fn describe(&self, object: ObjRef) -> String {
        self.known(object).map_or_else(|| object.to_string(), |kind| self.show_kind(kind))
    }

    fn describe_code(&self, code: CodeRef) -> String {
        code.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cranelift_entity::EntityRef;

    #[test]
    fn facts_about_constants() {
        let [int, five, pair, unknown] = [0, 1, 2, 3].map(ObjRef::new);
        let mut toy = Toy::new();
        toy.define(int, Kind::Type { name: "int".into(), version: 4 });
        toy.define(five, Kind::Int(5));
        let items = vec![toy.reference(five), toy.reference(five)];
        toy.define(pair, Kind::Tuple(items));
        assert_eq!(toy.type_of(five), Some(int));
        assert_eq!((toy.as_i64(five), toy.as_f64(five), toy.as_bool(five)), (Some(5), None, None));
        assert_eq!(toy.tuple_items(pair), Some(vec![five, five]));
        assert_eq!(toy.type_of(pair), None);
        assert_eq!((toy.type_version(int), toy.type_version(five)), (Some(4), None));
        assert_eq!((toy.is_immortal(int), toy.is_immortal(five)), (true, false));
        assert_eq!(toy.describe(pair), "tuple(obj1, obj1)");
        assert_eq!(toy.as_i64(unknown), None);
        assert_eq!(toy.check(&[]), Vec::<String>::new());
    }
}
