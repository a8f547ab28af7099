import ClusterModel
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Whether the VIP moves")
struct VIPFailoverTests {
    private func member(
        _ name: String,
        _ priority: Int,
        _ weight: Int,
        _ extra: String = ""
    ) throws
        -> VIPFailover.Member
    {
        let lines = """
            vrrp_script chk { script "/bin/true"
              weight \(weight)
            }
            vrrp_instance V {
              \(extra)
              priority \(priority)
              virtual_ipaddress { 10.0.9.9/32 }
              track_script { chk }
            }
            """.split(separator: "\n").map(String.init)
        let instance = try #require(KeepalivedConfiguration(lines).instance(of: "10.0.9.9"))
        return VIPFailover.Member(name: try #require(HostName(name)), address: "10.0.3.1", instance: instance)
    }

    private func moves(_ own: (Int, Int), _ other: (Int, Int), _ extra: String = "") throws -> Bool? {
        let failover = VIPFailover(
            own: try member("lb1", own.0, own.1),
            others: [try member("lb2", other.0, other.1, extra)]
        )
        return failover.outcome?.moves
    }

    @Test("a check without weight always moves it")
    func fault() throws {
        #expect(try moves((200, 0), (1, 0)) == true)
        #expect(try moves((255, 0), (1, 0), "nopreempt") == true)
    }

    @Test("a weight moves it exactly when the other's priority is then greater")
    func arithmetic() throws {
        for own in [101, 110, 150, 254] {
            for weight in -60...60 where weight != 0 {
                // A weight above 0 is earned by a check in order, on both; no priority passes 254.
                let gain = max(0, weight)
                let left = max(1, min(254, own + gain - abs(weight)))
                let right = min(254, 100 + gain)
                #expect(try moves((own, weight), (100, weight)) == (right > left), "\(own) with \(weight)")
            }
        }
    }

    @Test("the numbers of keepalived#2599: 110 and 100 with weight 2")
    func known() throws {
        let failover = VIPFailover(own: try member("lb1", 110, 2), others: [try member("lb2", 100, 2)])
        let text = "when chk fails, lb1 goes from priority 112 to 110, and lb2 has 102, which is not more"
        #expect(failover.outcome?.stays == [text])
    }

    @Test("priority 255 never falls, and nopreempt never takes over from a lower priority")
    func special() throws {
        #expect(try moves((255, -200), (100, -200)) == false)
        #expect(try moves((101, -20), (100, -20)) == true)
        #expect(try moves((101, -20), (100, -20), "nopreempt") == false)
    }

    @Test("the one that does not hold it has nothing to lose")
    func standby() throws { #expect(try moves((100, -20), (101, -20)) == nil) }
}
