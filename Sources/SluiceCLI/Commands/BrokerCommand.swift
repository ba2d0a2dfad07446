import ArgumentParser
import KafkaBroker
import Logging

/// `sluice broker`
struct BrokerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker",
        abstract: "Run a broker.",
        discussion: """
            Takes Kafka's server.properties; what the broker does not know is warned about and ignored.

            Examples:
              sluice broker
              sluice broker config/server.properties --override num.partitions=3
              sluice broker --data-dir /var/lib/sluice --bind 0.0.0.0 --port 9092
            """
    )

    @Argument(help: "Kafka's server.properties.")
    var file: String?

    @OptionGroup var server: ServerOptions
    @OptionGroup var log: LogOptions

    func run() async throws {
        let stop = StopSignal()
        let logger = log.logger("broker", default: .info)
        let properties =
            try file.map { path throws(CommandFailure) in try PropertiesFile.dictionary(path: path) } ?? [:]
        let configuration = try server.configuration(file: properties, defaultDataDirectory: "sluice-data")
        for name in configuration.unknownNames {
            logger.warning("Property is not known and has no effect", metadata: ["property": "\(name)"])
        }
        let broker = Broker(configuration: configuration, logger: logger)
        let address = try await broker.start()
        let ready = ReadyFile(
            bootstrapServers: Address.text(host: address.host, port: address.port), port: address.port)
        do {
            try ready.write(to: server.readyFile)
            Terminal.print("Broker on \(ready.bootstrapServers), ready in \(ProcessClock.milliseconds) ms.")
            await stop.wait()
        } catch {
            await broker.shutdown()
            throw error
        }
        await broker.shutdown()
    }
}

/// Addresses as people and clients write them.
enum Address {
    /// `host:port`; a wildcard address is written as the one that works on this machine.
    static func text(host: String, port: Int) -> String {
        switch host {
        case "0.0.0.0", "": "127.0.0.1:\(port)"
        case "::": "[::1]:\(port)"
        case _ where host.contains(":"): "[\(host)]:\(port)"
        default: "\(host):\(port)"
        }
    }
}
