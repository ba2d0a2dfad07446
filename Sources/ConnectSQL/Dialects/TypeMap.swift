import ConnectAPI

/// The schema and decoder of each column of a result: the JDBC connectors' type map (`reference/jdbc-semantics.md` 5).
struct TypeMap: Sendable {
    /// `numeric.mapping`.
    enum NumericMapping: String, Sendable {
        case none
        case precisionOnly = "precision_only"
        case bestFit = "best_fit"
        case bestFitEagerDouble = "best_fit_eager_double"
    }

    var numericMapping = NumericMapping.none
    /// The same for DECIMAL columns (`decimal.mapping`), which `numeric.mapping` leaves alone.
    var decimalMapping = NumericMapping.none
    var timestampGranularity = TimestampGranularity.connectLogical

    /// What a column becomes; nil if records cannot carry its type.
    func map(_ column: SQLColumn) -> (schema: Schema, decoder: ColumnDecoder)? {
        let isOptional = column.isNullable
        switch column.type {
        case .boolean: return (.primitive(.boolean, isOptional), .boolean)
        case .integer(let width): return integer(width, isOptional)
        case .bits(let count): return bits(count, isOptional)
        case .float32: return (.primitive(.float32, isOptional), .float32)
        case .float64: return (.primitive(.float64, isOptional), .float64)
        case .decimal(let precision, let scale): return numeric(precision, scale, isOptional, decimalMapping)
        case .numeric(let precision, let scale): return numeric(precision, scale, isOptional, numericMapping)
        case .string: return (.primitive(.string, isOptional), .string)
        case .bytes: return (.primitive(.bytes, isOptional), .bytes)
        case .date: return (.date(isOptional: isOptional), .date)
        case .year: return (.date(isOptional: isOptional), .year)
        case .time: return (.time(isOptional: isOptional), .time)
        case .timestamp:
            return (timestampGranularity.schema(isOptional: isOptional), .timestamp(timestampGranularity))
        case .array(let element):
            guard let (schema, decoder) = map(SQLColumn(label: column.label, type: element, isNullable: true)) else {
                return nil
            }
            return (.array(of: schema, isOptional: isOptional), .array(decoder))
        case .unsupported: return nil
        }
    }

    private func integer(
        _ width: SQLColumnType.IntegerWidth, _ isOptional: Bool
    ) -> (schema: Schema, decoder: ColumnDecoder) {
        switch width {
        case .int8: (.primitive(.int8, isOptional), .int8)
        case .int16: (.primitive(.int16, isOptional), .int16)
        case .int32: (.primitive(.int32, isOptional), .int32)
        case .int64, .unsigned64: (.primitive(.int64, isOptional), .int64)
        }
    }

    /// The narrowest integer that holds every value. The Java connector reads all into an int8, which cuts (a
    /// difference on purpose).
    private func bits(_ count: Int, _ isOptional: Bool) -> (schema: Schema, decoder: ColumnDecoder) {
        switch count {
        case ...7: (.primitive(.int8, isOptional), .bits(.int8))
        case ...15: (.primitive(.int16, isOptional), .bits(.int16))
        case ...31: (.primitive(.int32, isOptional), .bits(.int32))
        default: (.primitive(.int64, isOptional), .bits(.int64))
        }
    }

    private func decimal(
        _ precision: Int, _ scale: Int, _ isOptional: Bool
    ) -> (schema: Schema, decoder: ColumnDecoder) {
        (.decimal(scale: scale, precision: precision, isOptional: isOptional), .decimal(scale: scale))
    }

    private func numeric(
        _ precision: Int, _ scale: Int, _ isOptional: Bool, _ mapping: NumericMapping
    ) -> (schema: Schema, decoder: ColumnDecoder) {
        // A number without digits declared has no precision that it would fit.
        let fits = (1...18).contains(precision)
        switch mapping {
        case .precisionOnly where fits && scale == 0,
            .bestFit where fits && scale < 1 && scale >= -84,
            .bestFitEagerDouble where fits && scale < 1 && scale >= -84:
            let width: SQLColumnType.IntegerWidth =
                precision <= 2 ? .int8 : precision <= 4 ? .int16 : precision <= 9 ? .int32 : .int64
            return integer(width, isOptional)
        case .bestFit where fits && scale > 0, .bestFitEagerDouble where scale > 0:
            return (.primitive(.float64, isOptional), .float64)
        default:
            return decimal(precision, scale, isOptional)
        }
    }
}

extension Schema {
    /// The shared schema of a primitive type.
    static func primitive(_ type: SchemaType, _ isOptional: Bool) -> Schema {
        switch (type, isOptional) {
        case (.int8, false): .int8
        case (.int8, true): .optionalInt8
        case (.int16, false): .int16
        case (.int16, true): .optionalInt16
        case (.int32, false): .int32
        case (.int32, true): .optionalInt32
        case (.int64, false): .int64
        case (.int64, true): .optionalInt64
        case (.string, false): .string
        case (.string, true): .optionalString
        default: Schema(type: type, isOptional: isOptional)
        }
    }
}
