import ConnectAPI

extension PluginRegistry {
    /// Registers what Kafka Connect has built in.
    func registerBuiltInTransformations() {
        register(transformation: Cast<KeyPart>.self)
        register(transformation: Cast<ValuePart>.self)
        register(transformation: DropHeaders.self)
        register(transformation: ExtractField<KeyPart>.self)
        register(transformation: ExtractField<ValuePart>.self)
        register(transformation: Filter.self)
        register(transformation: Flatten<KeyPart>.self)
        register(transformation: Flatten<ValuePart>.self)
        register(transformation: HeaderFrom<KeyPart>.self)
        register(transformation: HeaderFrom<ValuePart>.self)
        register(transformation: HoistField<KeyPart>.self)
        register(transformation: HoistField<ValuePart>.self)
        register(transformation: InsertField<KeyPart>.self)
        register(transformation: InsertField<ValuePart>.self)
        register(transformation: InsertHeader.self)
        register(transformation: MaskField<KeyPart>.self)
        register(transformation: MaskField<ValuePart>.self)
        register(transformation: RegexRouter.self)
        register(transformation: ReplaceField<KeyPart>.self)
        register(transformation: ReplaceField<ValuePart>.self)
        register(transformation: SetSchemaMetadata<KeyPart>.self)
        register(transformation: SetSchemaMetadata<ValuePart>.self)
        register(transformation: TimestampConverter<KeyPart>.self)
        register(transformation: TimestampConverter<ValuePart>.self)
        register(transformation: TimestampRouter.self)
        register(transformation: ValueToKey.self)
        register(predicate: HasHeaderKey.self)
        register(predicate: RecordIsTombstone.self)
        register(predicate: TopicNameMatches.self)
    }
}
