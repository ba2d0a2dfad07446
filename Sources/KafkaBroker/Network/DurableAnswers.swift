import KafkaProtocol

/// A part of an answer that tells how one of several changes went.
protocol ChangeResult: SendableMetatype {
    var errorCode: ErrorCode { get set }
    var errorMessage: String? { get set }
}

extension AlterClientQuotasResponse.EntryData: ChangeResult {}
extension AlterConfigsResponse.AlterConfigsResourceResponse: ChangeResult {}
extension CreateAclsResponse.AclCreationResult: ChangeResult {}
extension CreatePartitionsResponse.CreatePartitionsTopicResult: ChangeResult {}
extension CreateTopicsResponse.CreatableTopicResult: ChangeResult {}
extension DeleteAclsResponse.DeleteAclsFilterResult: ChangeResult {}
extension DeleteTopicsResponse.DeletableTopicResult: ChangeResult {}
extension IncrementalAlterConfigsResponse.AlterConfigsResourceResponse: ChangeResult {}

extension Call {
    /// Answers when the changes are on disk. If they cannot be put there, none that had succeeded has.
    func respondWhenDurable<Result: ChangeResult>(
        _ response: Response, _ results: any WritableKeyPath<Response, [Result]> & Sendable
    ) {
        node.topics.whenDurable { refusal in
            var answer = response
            if let refusal {
                for index in answer[keyPath: results].indices
                where answer[keyPath: results][index].errorCode == .none {
                    answer[keyPath: results][index].errorCode = refusal.code
                    answer[keyPath: results][index].errorMessage = refusal.message
                }
            }
            respond(answer)
        }
    }
}
