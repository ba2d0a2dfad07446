import CMariaDB

/// What the wire's field types mean, as MySQL's JDBC driver reports them.
enum MariaDBType {
    static func column(_ field: MYSQL_FIELD, _ options: DecodingOptions = DecodingOptions()) -> SQLColumn {
        SQLColumn(
            label: field.name.map { String(cString: $0) } ?? "",
            type: options.tinyIntIsBoolean && isTinyInt1(field) ? .boolean : type(field),
            isNullable: !has(field, NOT_NULL_FLAG),
            isAutoIncrement: has(field, AUTO_INCREMENT_FLAG),
            fractionDigits: field.decimals <= 6 ? Int(field.decimals) : 0,
            isInstant: field.type == MYSQL_TYPE_TIMESTAMP || field.type == MYSQL_TYPE_TIMESTAMP2)
    }

    private static func isTinyInt1(_ field: MYSQL_FIELD) -> Bool {
        field.type == MYSQL_TYPE_TINY && field.length == 1 && !has(field, UNSIGNED_FLAG)
    }

    static func has(_ field: MYSQL_FIELD, _ flag: Int32) -> Bool {
        field.flags & UInt32(bitPattern: flag) != 0
    }

    private static func type(_ field: MYSQL_FIELD) -> SQLColumnType {
        let isUnsigned = has(field, UNSIGNED_FLAG)
        // The charset of what has none is 63, "binary".
        let isBinary = field.charsetnr == 63
        switch field.type {
        case MYSQL_TYPE_TINY: return .integer(width: isUnsigned ? .int16 : .int8)
        case MYSQL_TYPE_SHORT: return .integer(width: isUnsigned ? .int32 : .int16)
        case MYSQL_TYPE_INT24, MYSQL_TYPE_LONG: return .integer(width: isUnsigned ? .int64 : .int32)
        case MYSQL_TYPE_LONGLONG: return .integer(width: isUnsigned ? .unsigned64 : .int64)
        case MYSQL_TYPE_FLOAT: return .float32
        case MYSQL_TYPE_DOUBLE: return .float64
        case MYSQL_TYPE_DECIMAL, MYSQL_TYPE_NEWDECIMAL:
            let scale = Int(field.decimals)
            let precision = Int(field.length) - (scale > 0 ? 1 : 0) - (isUnsigned ? 0 : 1)
            return .decimal(precision: precision, scale: scale)
        case MYSQL_TYPE_BIT: return .bits(Int(field.length))
        case MYSQL_TYPE_YEAR: return .year
        case MYSQL_TYPE_DATE, MYSQL_TYPE_NEWDATE: return .date
        case MYSQL_TYPE_TIME, MYSQL_TYPE_TIME2: return .time
        case MYSQL_TYPE_DATETIME, MYSQL_TYPE_DATETIME2, MYSQL_TYPE_TIMESTAMP, MYSQL_TYPE_TIMESTAMP2: return .timestamp
        case MYSQL_TYPE_GEOMETRY: return .bytes
        case MYSQL_TYPE_JSON, MYSQL_TYPE_ENUM, MYSQL_TYPE_SET: return .string
        case MYSQL_TYPE_STRING, MYSQL_TYPE_VAR_STRING, MYSQL_TYPE_VARCHAR, MYSQL_TYPE_BLOB, MYSQL_TYPE_TINY_BLOB,
            MYSQL_TYPE_MEDIUM_BLOB, MYSQL_TYPE_LONG_BLOB:
            return isBinary ? .bytes : .string
        case MYSQL_TYPE_NULL: return .string
        default: return .unsupported("type \(field.type.rawValue)")
        }
    }
}
