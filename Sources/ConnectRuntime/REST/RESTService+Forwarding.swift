import ConnectAPI
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import OrderedCollections

/// Requests between workers: what this one cannot do goes to the one that can (Kafka's `HerderRequestHandler`).
extension RESTService {
    /// How long a forwarded request may take.
    private static let answerTimeout = Duration.seconds(90)
    /// How long another worker is tried that cannot be reached: its session must end before others take over.
    private static let patience = Duration.seconds(60)

    /// Answers, or has another worker answer. One that has gone is left for the one that comes after it.
    func forwarding(
        _ request: RESTRequest, _ answer: () async throws(HerderError) -> RESTResponse
    ) async throws(HerderError) -> RESTResponse {
        let deadline = ContinuousClock.now + Self.patience
        while true {
            let url: String
            do throws(HerderError) {
                return try await answer()
            } catch {
                if error.isOvertaken, ContinuousClock.now < deadline, !Task.isCancelled {
                    // The next try waits for the round to end.
                    do { try await Task.sleep(for: .milliseconds(20)) } catch { continue }
                    continue
                }
                guard let forwardURL = error.forwardURL else { throw error }
                url = forwardURL
            }
            guard let hop = Self.nextHop(request) else {
                throw HerderError(
                    status: 409,
                    message: "Cannot complete request because of a conflicting operation (e.g. worker rebalance)")
            }
            do {
                return try await forward(request, to: url, hop: hop)
            } catch {
                guard ContinuousClock.now < deadline, !Task.isCancelled else {
                    throw HerderError(status: 409, message: "The request belongs to another worker: \(error)")
                }
                logger.debug("A request could not be forwarded yet", metadata: ["to": "\(url)", "error": "\(error)"])
                do { try await Task.sleep(for: .milliseconds(200)) } catch { continue }
            }
        }
    }

    /// The value of `forward` for the next worker; nil if this was the last one.
    private static func nextHop(_ request: RESTRequest) -> String? {
        switch request.values(of: "forward").first?.lowercased() {
        case nil: "true"
        case "true": "false"
        default: nil
        }
    }

    private func forward(_ request: RESTRequest, to url: String, hop: String) async throws -> RESTResponse {
        var headers = HTTPHeaders([("Accept", "application/json")])
        for name in [
            "Authorization", "Content-Type", InternalSignature.authorization, InternalSignature.algorithm,
            InternalSignature.configMark,
        ] {
            if let value = request.headers.first(name: name) { headers.add(name: name, value: value) }
        }
        var query = request.query.filter { $0.name != "forward" }
        query.append(("forward", hop))
        let target =
            request.encodedPath + "?"
            + query.map { "\(PercentCoding.encodeSegment($0.name))=\(PercentCoding.encodeSegment($0.value))" }
            .joined(separator: "&")
        let answer = try await send(request.method, to: url, target, headers, request.body, herder)
        guard let answer else { throw WorkerRESTClient.Failure(description: "\(url) no longer leads the group") }
        var response = RESTResponse(answer.status, body: answer.body.isEmpty ? nil : answer.body)
        for name in ["Content-Type", "Location"] {
            if let value = answer.headers.first(name: name) { response.headers.add(name: name, value: value) }
        }
        return response
    }

    /// nil if the other worker has lost the lead meanwhile: one that hangs is waited for only while it leads.
    private func send(
        _ method: HTTPMethod, to url: String, _ target: String, _ headers: HTTPHeaders, _ body: ByteBuffer,
        _ herder: any Herder
    ) async throws -> WorkerRESTClient.Answer? {
        let workers = workers
        let request = Task {
            try await workers.send(
                method, to: url, target: target, headers: headers, body: body, timeout: Self.answerTimeout)
        }
        let isOver = NIOLockedValueBox(false)
        let watch = Task {
            var wasLeader = false
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(100))
                let isLeader = herder.isLeader(url)
                if wasLeader, !isLeader {
                    isOver.withLockedValue { $0 = true }
                    request.cancel()
                    return
                }
                wasLeader = wasLeader || isLeader
            }
        }
        defer { watch.cancel() }
        do {
            return try await request.value
        } catch {
            if isOver.withLockedValue({ $0 }) { return nil }
            throw error
        }
    }

    func internalRequest(_ route: RESTRoute, _ request: RESTRequest) async throws(HerderError) -> RESTResponse {
        let signature = InternalSignature(
            code: request.headers.first(name: InternalSignature.authorization),
            algorithm: request.headers.first(name: InternalSignature.algorithm),
            body: Array(request.body.readableBytesView),
            configMark: request.headers.first(name: InternalSignature.configMark))
        switch route {
        case .putTasks(let name):
            let configs = try RESTDecoding.taskConfigs(request.body)
            try await herder.putTaskConfigs(name, configs, signature: signature)
        case .fence(let name):
            try await herder.fenceTasks(of: name, signature: signature)
        default: throw HerderError(status: 404, message: "HTTP 404 Not Found")
        }
        return RESTResponse(.noContent)
    }
}
