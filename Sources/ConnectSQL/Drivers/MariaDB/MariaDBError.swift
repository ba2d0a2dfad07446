import CMariaDB

/// Sorts the errors of server and library.
enum MariaDBError {
    static func make(code: UInt32, state: UnsafePointer<CChar>?, message: UnsafePointer<CChar>?) -> SQLError {
        let state = state.map { String(cString: $0) } ?? "HY000"
        let message = message.map { String(cString: $0) } ?? "unknown error"
        return SQLError(kind(code: code, state: state), sqlState: state, code: Int(code), message)
    }

    private static func kind(code: UInt32, state: String) -> SQLError.Kind {
        switch code {
        case 1146, 1051: return .tableMissing
        // disk or table full, out of memory: an operator makes room
        case 1021, 1037, 1038, 1041, 1114: return .transient
        // deadlock, lock wait, too many connections, interrupted, read only while failing over
        case 1213, 1205, 1040, 1203, 1317, 1290, 1836: return .transient
        // server stops, connection killed, network trouble on the server's side
        case 1053, 1927, 1158...1161, 1077, 1079, 1080: return .connection
        // row larger than a packet, no default, bad value, cut value, no partition
        case 1153, 1364, 1366, 1265, 1526, 1118, 4025: return .data
        case 2000...2061:
            // the library's own: out of memory and misuse are not the network's fault
            return [2008, 2014, 2028, 2030, 2031, 2033, 2034, 2036, 2054, 2056].contains(code) ? .other : .connection
        default: break
        }
        switch state.prefix(2) {
        case "08": return .connection
        case "40": return .transient
        case "22", "23": return .data
        default: return .other
        }
    }
}
