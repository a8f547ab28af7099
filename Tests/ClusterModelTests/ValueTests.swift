import ClusterModel
import Foundation
import Testing

@Suite("Small values")
struct ValueTests {
    /// The table of etcd's FAQ, "What is failure tolerance?".
    @Test(
        "quorum and failure tolerance are those of etcd's table",
        arguments: [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3)]
    )
    func quorum(_ voters: Int, _ needed: Int, _ tolerated: Int) {
        #expect(Quorum.needed(voters: voters) == needed)
        #expect(Quorum.tolerated(voters: voters) == tolerated)
        for healthy in 0...voters { #expect(Quorum.holds(healthy: healthy, of: voters) == (healthy >= needed)) }
    }

    @Test("no voters are no quorum")
    func noVoters() {
        #expect(!Quorum.holds(healthy: 0, of: 0))
        #expect(Quorum.tolerated(voters: 0) == 0)
    }

    @Test("JSON values keep their types and exact integers")
    func json() throws {
        let text = #"{"a":[1,-9223372036854775808,18446744073709551615,true,null,"é\n"],"b":{}}"#
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        let items = try #require(value["a"]?.arrayValue)
        #expect(items.map(\.integerValue) == [1, Int64.min, nil, nil, nil, nil])
        #expect(items[2] == .unsigned(.max))
        #expect(items[3].boolValue == true)
        #expect(items[4] == .null)
        #expect(items[5].stringValue == "é\n")
        #expect(value["b"]?.objectValue == [:])
        #expect(value["c"] == nil)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        #expect(try JSONDecoder().decode(JSONValue.self, from: encoder.encode(value)) == value)
    }

    @Test("fractions are no JSON values here")
    func fractions() {
        #expect(throws: (any Error).self) { try JSONDecoder().decode(JSONValue.self, from: Data("1.5".utf8)) }
    }

    @Test("of several exit codes the documented precedence decides")
    func precedence() {
        let order: [ExitCode] = [
            .outcomeUnknown, .integrity, .security, .storage, .stepFailed, .deadline, .partial, .unreachable,
        ]
        for (index, code) in order.enumerated() {
            #expect(ExitCode.mostSevere(order[index...].reversed()) == code)
            #expect(ExitCode.mostSevere([.done, .locked, code]) == code)
        }
        #expect(ExitCode.mostSevere([]) == .done)
        #expect(ExitCode.mostSevere([.done, .usage, .locked]) == .locked)
        #expect(Set(ExitCode.allCases.map(\.rawValue)).count == ExitCode.allCases.count)
    }

    @Test("a message has its place, event, state and next command, each on one line")
    func message() {
        let whole = OperatorMessage(
            .stepFailed,
            at: "master2/kubelet.upgrade",
            "package lock\nheld",
            state: "master2 is cordoned",
            next: "rollbook resume"
        )
        #expect(
            whole.description
                == "rollbook: failed: master2/kubelet.upgrade: package lock\\nheld. master2 is cordoned. Next: rollbook resume"
        )
        let bare = OperatorMessage(.usage, "no inventory")
        #expect(bare.description == "rollbook: usage: no inventory.")
        #expect(bare.completed(place: "p", next: "n").description == "rollbook: usage: p: no inventory. Next: n")
        #expect(whole.completed(place: "other", next: "other") == whole)
    }

    @Test("a secret is never described, reflected or interpolated")
    func secret() {
        let secret = Secret(Array("hunter2".utf8))
        var dumped = ""
        dump(secret, to: &dumped)
        let texts = [
            "\(secret)", String(describing: secret), String(reflecting: secret), dumped, "\([secret])",
            "\(["k": secret])",
            "\((secret, 1))",
        ]
        for text in texts {
            #expect(!text.contains("hunter2"))
            #expect(!text.contains("104"))
        }
        let bytes = secret.withBytes { span in
            span.byteOffsets.map { unsafe span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
        #expect(bytes == Array("hunter2".utf8))
        #expect(Secret([]).isEmpty)
    }
}
