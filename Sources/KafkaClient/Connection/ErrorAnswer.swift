import KafkaProtocol
import NIOCore

/// Error answers of group requests that keep to the protocol only as far as the error code. Some brokers (librdkafka's
/// mock among them) send null behind it where the version allows none; all that counts there is the code.
enum ErrorAnswer {
    /// The answer's error code in a fresh answer; nil if there is none, or if the API is not one of these.
    static func read<R: KafkaRequest>(
        _ request: R.Type, _ frame: ByteBuffer, version: Int16
    ) -> R.Response? {
        let firstWithThrottle: Int16
        switch R.apiKey {
        case .findCoordinator where version <= 3: firstWithThrottle = 1
        case .joinGroup: firstWithThrottle = 2
        case .syncGroup: firstWithThrottle = 1
        default: return nil
        }
        var reader = WireReader(frame)
        guard (try? ResponseHeader.decode(from: &reader, apiKey: R.apiKey, version: version)) != nil,
            version < firstWithThrottle || (try? reader.skip(4)) != nil,
            let code = (try? reader.readInt16()).map(ErrorCode.init(rawValue:)), code != .none
        else { return nil }
        switch R.apiKey {
        case .findCoordinator:
            var answer = FindCoordinatorResponse()
            answer.errorCode = code
            return answer as? R.Response
        case .joinGroup:
            var answer = JoinGroupResponse()
            answer.errorCode = code
            return answer as? R.Response
        default:
            var answer = SyncGroupResponse()
            answer.errorCode = code
            return answer as? R.Response
        }
    }
}
