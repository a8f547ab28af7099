package enum Rollbook { package static func main() async {} }
