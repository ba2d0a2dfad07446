import KafkaProtocol
import NIOCore
import OrderedCollections

/// DescribeGroups (15), versions 0–6.
///
/// - A group nobody knows is shown as Dead without members; v6+ says GROUP_ID_NOT_FOUND besides.
/// - Subscriptions and assignments are shown only while they hold (state Stable), as Kafka does.
enum DescribeGroupsHandler: RequestHandler {
    typealias Request = DescribeGroupsRequest
    typealias Group = DescribeGroupsResponse.DescribedGroup

    static func handle(_ request: DescribeGroupsRequest, _ call: Call<DescribeGroupsResponse>) {
        call.node.groups.run { groups in
            var response = DescribeGroupsResponse()
            response.groups = request.groups.map { id in
                guard call.allows(.describe, group: id) else {
                    var denied = Group()
                    denied.groupId = id
                    denied.errorCode = .groupAuthorizationFailed
                    return denied
                }
                var group = describe(id, groups, version: call.version)
                if request.includeAuthorizedOperations, group.errorCode == .none {
                    group.authorizedOperations = call.allowedOperations(.group, id)
                }
                return group
            }
            call.respond(response)
        }
    }

    private static func describe(_ id: String, _ groups: Groups, version: Int16) -> Group {
        var answer = Group()
        answer.groupId = id
        answer.groupState = ClassicGroup.State.dead.rawValue
        let group: ClassicGroup
        do throws(Refusal) {
            guard let entry = try groups.entry(id) else {
                if version >= 6 {
                    answer.errorCode = .groupIdNotFound
                    answer.errorMessage = "Group \(id) not found."
                }
                return answer
            }
            if entry.consumer != nil {
                if version >= 6 {
                    answer.errorCode = .groupIdNotFound
                    answer.errorMessage = "Group \(id) is not a classic group."
                }
                return answer
            }
            group = entry.group
        } catch {
            answer.errorCode = error.code.forCoordinator
            answer.errorMessage = version >= 6 ? error.message : nil
            answer.groupState = ""
            return answer
        }
        answer.groupState = group.state.rawValue
        answer.protocolType = group.protocolType ?? ""
        let isStable = group.state == .stable
        answer.protocolData = isStable ? group.protocolName ?? "" : ""
        answer.members = group.members.values.map { member in
            var entry = Group.DescribedGroupMember()
            entry.memberId = member.id
            entry.groupInstanceId = member.instanceID
            entry.clientId = member.clientID
            entry.clientHost = member.clientHost
            if isStable, let name = group.protocolName {
                entry.memberMetadata = member.metadata(for: name)
                entry.memberAssignment = member.assignment
            }
            return entry
        }
        return answer
    }
}
