import ConnectAPI

/// The transformations of one task, in order, each with its predicate.
final class TransformationChain {
    /// One transformation (Kafka's `TransformationStage`).
    struct Stage {
        var className: String
        var transformation: any Transformation
        var predicate: (any Predicate)?
        var isNegated: Bool

        func isFor(_ record: ConnectRecord) throws(ConnectError) -> Bool {
            guard let predicate else { return true }
            return try predicate.test(record) != isNegated
        }
    }

    private let stages: [Stage]

    init(_ stages: [Stage]) {
        self.stages = stages
    }

    /// Makes the chain that a connector's configuration describes: `transforms`, `transforms.<name>.*`, `predicates`,
    /// `predicates.<name>.*`.
    /// - Throws: a config error that names the option.
    init(_ config: [String: String], plugins: PluginRegistry) throws(ConnectError) {
        var stages: [Stage] = []
        for name in (config["transforms"] ?? "").list {
            let prefix = "transforms.\(name)."
            let options = config.options(prefix)
            let className = options["type"] ?? ""
            guard let type = plugins.transformation(className) else {
                throw .config("\(prefix)type=\(className): there is no such transformation")
            }
            let transformation = type.init()
            try Self.configuring(prefix) { () throws(ConnectError) in
                try transformation.configure(options)
            }
            var predicate: (any Predicate)?
            if let alias = options["predicate"]?.trimmed {
                predicate = try Self.predicate(alias, config, plugins, option: prefix + "predicate")
            }
            stages.append(
                Stage(
                    className: type.className, transformation: transformation, predicate: predicate,
                    isNegated: options["negate"]?.trimmed.lowercased() == "true"))
        }
        self.stages = stages
    }

    var isEmpty: Bool { stages.isEmpty }

    /// The record as the chain leaves it; nil if it is dropped.
    func apply(_ record: ConnectRecord) throws(StageFailure) -> ConnectRecord? {
        var record = record
        for stage in stages {
            do throws(ConnectError) {
                guard try stage.isFor(record) else { continue }
                guard try stage.transformation.apply(&record) else { return nil }
            } catch {
                throw StageFailure(stage: .transformation, className: stage.className, error: error)
            }
        }
        return record
    }

    private static func predicate(
        _ alias: String, _ config: [String: String], _ plugins: PluginRegistry, option: String
    ) throws(ConnectError) -> any Predicate {
        guard (config["predicates"] ?? "").list.contains(alias) else {
            throw .config("\(option)=\(alias): predicates names no such predicate")
        }
        let prefix = "predicates.\(alias)."
        let options = config.options(prefix)
        guard let type = plugins.predicate(options["type"] ?? "") else {
            throw .config("\(prefix)type=\(options["type"] ?? ""): there is no such predicate")
        }
        let predicate = type.init()
        try configuring(prefix) { () throws(ConnectError) in try predicate.configure(options) }
        return predicate
    }

    private static func configuring(
        _ prefix: String, _ configure: () throws(ConnectError) -> Void
    ) throws(ConnectError) {
        do throws(ConnectError) {
            try configure()
        } catch {
            throw ConnectError(code: error.code, message: "\(prefix)*: \(error.message)", cause: error.cause)
        }
    }
}

extension [String: String] {
    /// The options that begin with a prefix, without it.
    func options(_ prefix: String) -> [String: String] {
        var result: [String: String] = [:]
        for (name, value) in self {
            if let name = name.suffix(after: prefix) { result[name] = value }
        }
        return result
    }
}
