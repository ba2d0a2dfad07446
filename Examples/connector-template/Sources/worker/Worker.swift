import ConnectRuntime
import Foundation
import Logging
import TickConnector

/// A worker with the connector: `worker worker.properties`. All workers of a group must have what the group runs.
@main
enum Worker {
    static func main() async throws {
        guard CommandLine.arguments.count == 2 else { fatalError("usage: worker worker.properties") }
        let text = try String(contentsOfFile: CommandLine.arguments[1], encoding: .utf8)
        guard let properties = JavaProperties.parse(text) else { fatalError("not in the properties format") }
        let plugins = PluginRegistry()
        plugins.register(source: TickSource.self)
        let worker = try DistributedWorker(
            configuration: try WorkerConfiguration(
                properties: Dictionary(uniqueKeysWithValues: properties.map { ($0.key, $0.value) }), mode: .distributed),
            plugins: plugins, logger: Logger(label: "worker"))
        try await worker.start()
        await untilSignalled()
        await worker.shutdown()
    }

    private static func untilSignalled() async {
        let (signals, signal) = AsyncStream<Void>.makeStream()
        let sources = [SIGINT, SIGTERM].map { number in
            Foundation.signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { signal.yield() }
            source.resume()
            return source
        }
        for await _ in signals { break }
        for source in sources { source.cancel() }
    }
}
