import ConnectAPI

/// The way to a field: a plain name (`field.syntax.version=V1`), or names separated by dots, of which those that hold
/// dots stand in backticks (V2, KIP-821): `a.b`, `` `a.b`.c ``. A backtick before the end of a quoted name is written
/// with a backslash.
struct FieldPath {
    /// The names from the outside to the inside.
    let names: [String]

    /// - Throws: a config error if a backtick has no counterpart.
    init(_ text: String, version: String) throws(ConnectError) {
        guard version.uppercased() == "V2" else {
            names = [text]
            return
        }
        var names: [String] = []
        var rest = Array(text)[...]
        while true {
            if rest.first == "`" {
                names.append(try Self.quotedName(&rest, of: text))
            } else {
                let end = rest.firstIndex(of: ".") ?? rest.endIndex
                names.append(String(rest[..<end]))
                rest = rest[end...]
            }
            guard rest.first == "." else { break }
            rest = rest.dropFirst()
        }
        self.names = names
    }

    private static func quotedName(_ rest: inout ArraySlice<Character>, of text: String) throws(ConnectError) -> String
    {
        var name = ""
        var index = rest.startIndex + 1
        while index < rest.endIndex {
            let character = rest[index]
            let next = index + 1 < rest.endIndex ? rest[index + 1] : nil
            if character == "\\", next == "`" {
                name.append("`")
                index += 2
            } else if character == "`", next == nil || next == "." {
                rest = rest[(index + 1)...]
                return name
            } else {
                name.append(character)
                index += 1
            }
        }
        throw .config("Incomplete backtick pair in path: \(text)")
    }

    /// The field's schema; nil if there is no such field.
    func schema(in schema: Schema) -> Schema? {
        var current: Schema? = schema
        for name in names { current = current?.field(named: name)?.schema }
        return current
    }

    /// The field's value; null if it, or a struct on the way, is absent.
    func value(in structure: Struct, replacingNull: Bool) -> ConnectValue {
        var current = ConnectValue.structure(structure)
        for name in names {
            guard case .structure(let structure) = current, let index = structure.schema.index(of: name) else {
                return .null
            }
            current = structure.value(at: index, replacingNull: replacingNull)
        }
        return current
    }

    /// The value in nested maps; null if it, or a map on the way, is absent.
    func value(in map: MapEntries) -> ConnectValue {
        var current = ConnectValue.map(map)
        for name in names {
            guard case .map(let map) = current, let next = map[name] else { return .null }
            current = next
        }
        return current
    }
}
