import KafkaClient
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// The leader's part.
extension WorkerGroup {
    /// Shares the work out among the members of a round.
    func assign(_ protocolName: String, _ members: [GroupMember]) async throws -> [String: ByteBuffer] {
        guard let worker, let version = ConnectProtocol.Version(name: protocolName) else { return [:] }
        let metadata = Dictionary(
            members.map { ($0.id, ConnectProtocol.metadata($0.metadata)) }, uniquingKeysWith: { first, _ in first })
        let maximum = metadata.values.compactMap { $0?.configOffset }.max() ?? -1
        if worker.configOffset < maximum {
            do {
                try await worker.readConfig(within: configuration.syncTimeout)
            } catch {
                logger.warning("the config topic could not be read to its end", metadata: ["error": "\(error)"])
            }
        }
        let leaderID = membership.credentials?.memberID ?? ""
        var template = ConnectProtocol.Assignment(
            leader: leaderID, leaderURL: configuration.url, configOffset: worker.configOffset)
        guard worker.configOffset >= maximum else {
            template.error = ConnectProtocol.Assignment.configMismatch
            template.configOffset = maximum
            return metadata.mapValues { [template] _ in ConnectProtocol.encode(template, version) }
        }
        let configured = worker.configured()
        let before = metadata.mapValues { $0?.allocation?.assigned ?? WorkShare() }
        let result =
            version == .eager
            ? IncrementalAssignor.Result(
                parts: EagerAssignor.assign(configured, to: Array(metadata.keys)).mapValues { .init(assigned: $0) },
                delay: 0)
            : await cooperative(configured, before)
        state.withLockedValue { state in
            state.assignedConfig = configured
            state.workers = result.parts.map { id, part in
                let running = version == .eager ? WorkShare() : before[id] ?? WorkShare()
                return (metadata[id]??.url ?? "", running.subtracting(part.revoked).union(part.assigned))
            }
        }
        return result.parts.mapValues { part in
            var assignment = template
            assignment.assigned = part.assigned
            assignment.revoked = part.revoked
            assignment.delay = Int32(clamping: result.delay)
            return ConnectProtocol.encode(assignment, version)
        }
    }

    private func cooperative(
        _ configured: WorkShare, _ before: [String: WorkShare]
    ) async -> IncrementalAssignor.Result {
        let generation = membership.credentials?.generation ?? -1
        let handedOver = await worker?.atRest() ?? WorkShare()
        return state.withLockedValue { state in
            state.assignor.assign(
                IncrementalAssignor.Round(
                    configured: configured, members: before, generation: generation,
                    lastCompletedGeneration: state.lastGeneration, now: Self.monotonicMilliseconds(),
                    handedOver: handedOver))
        }
    }

    private static let start = ContinuousClock.now

    private static func monotonicMilliseconds() -> Int64 { (ContinuousClock.now - start).wholeMilliseconds + 1 }
}
