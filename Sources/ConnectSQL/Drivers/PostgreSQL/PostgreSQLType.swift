/// A type of PostgreSQL, as far as reading its values goes.
struct PostgreSQLType: Sendable, Hashable {
    /// How the binary form of a value is built (PostgreSQL's send functions).
    enum Form: Sendable, Hashable {
        case boolean, int16, int32, int64, oid, float32, float64, numeric, money
        case text, jsonb, uuid, bytes, bits
        case date, time, timeWithZone, timestamp, timestampWithZone
        /// One dimension of elements.
        indirect case array(Form)
        /// Any other: the database is asked for its text.
        case other
    }

    var form: Form
    /// The database's name for it.
    var name: String

    /// The built-in types by number (`pg_type.dat`).
    static let builtIn: [UInt32: PostgreSQLType] = {
        let scalars: [(UInt32, UInt32, Form, String)] = [
            (16, 1000, .boolean, "boolean"), (21, 1005, .int16, "smallint"), (23, 1007, .int32, "integer"),
            (20, 1016, .int64, "bigint"), (26, 1028, .oid, "oid"), (700, 1021, .float32, "real"),
            (701, 1022, .float64, "double precision"), (1700, 1231, .numeric, "numeric"), (790, 791, .money, "money"),
            (25, 1009, .text, "text"), (1043, 1015, .text, "character varying"), (1042, 1014, .text, "character"),
            (19, 1003, .text, "name"), (18, 1002, .text, "\"char\""), (114, 199, .text, "json"),
            (142, 143, .text, "xml"), (705, 0, .text, "unknown"), (3802, 3807, .jsonb, "jsonb"),
            (2950, 2951, .uuid, "uuid"), (17, 1001, .bytes, "bytea"), (1560, 1561, .bits, "bit"),
            (1082, 1182, .date, "date"), (1083, 1183, .time, "time"), (1266, 1270, .timeWithZone, "timetz"),
            (1114, 1115, .timestamp, "timestamp"), (1184, 1185, .timestampWithZone, "timestamptz"),
        ]
        var types: [UInt32: PostgreSQLType] = [:]
        for (number, array, form, name) in scalars {
            types[number] = PostgreSQLType(form: form, name: name)
            if array != 0, form != .bits {
                types[array] = PostgreSQLType(form: .array(form), name: name + "[]")
            }
        }
        return types
    }()

    /// The type of a column with the modifier that its declaration gave (-1: none).
    func columnType(modifier: Int32) -> SQLColumnType {
        switch form {
        case .boolean: return .boolean
        case .int16: return .integer(width: .int16)
        case .int32: return .integer(width: .int32)
        case .int64, .oid: return .integer(width: .int64)
        case .float32: return .float32
        case .float64, .money: return .float64
        case .numeric:
            // Without digits declared a value may have any number of them: the JDBC connector's scale for that.
            guard modifier >= 4 else { return .decimal(precision: 0, scale: 127) }
            let scale = Int((modifier - 4) & 0x7FF)
            return .numeric(
                precision: Int((modifier - 4) >> 16 & 0xFFFF), scale: scale >= 1_024 ? scale - 2_048 : scale)
        case .bits: return modifier == 1 ? .boolean : modifier <= 63 ? .bits(Int(modifier)) : .bytes
        case .text, .jsonb, .uuid, .other: return .string
        case .bytes: return .bytes
        case .date: return .date
        case .time, .timeWithZone: return .time
        case .timestamp, .timestampWithZone: return .timestamp
        case .array(let element):
            // The elements of numeric arrays may each have digits of their own.
            if element == .numeric { return .array(.decimal(precision: 0, scale: 127)) }
            return .array(PostgreSQLType(form: element, name: "").columnType(modifier: modifier))
        }
    }

    /// How many digits of a second's fraction a timestamp has.
    static func fractionDigits(modifier: Int32) -> Int {
        (0...6).contains(modifier) ? Int(modifier) : 6
    }
}
