// Reading pickles: what checkpoints hold, and programs that want to run, loop or grow.
#include "native/weights/pickle.h"

#include "native/test/weights/torch_files.h"

using namespace nd::test;
using namespace nd::weights;

namespace {

using Kind = Pickle::Kind;

Pickle read(const std::string& bytes) {
    static std::vector<std::string> kept;  // values point into it
    kept.reserve(1000);
    kept.push_back(bytes);
    return {std::as_bytes(std::span<const char>(kept.back())), "pickle"};
}

std::string refused(const std::string& bytes, const char* code = "FILE_INVALID") {
    return THROWN(code, Pickle(std::as_bytes(std::span<const char>(bytes)), "pickle"));
}

std::string program(const std::string& instructions) {
    return "\x80\x04" + instructions + ".";
}

}  // namespace

TEST("pickle: numbers, texts and containers") {
    const Pickle pickle = read(program(std::string("(") + "K\x07" + "M\xff\xff" + "J\xfe\xff\xff\xff" + "\x8a\x01\xff" +
                                       std::string("\x8a\x00", 2) + "\x8a\x0a" + "0123456789" + "G" +
                                       std::string("\x3f\xf8\0\0\0\0\0\0", 8) + "\x88N" + "U\x02hi" + "C\x02" + "by" +
                                       "]K\x01" + "a}U\x01k" + "K\x02s\x8f(K\x03\x90" + "t"));
    const auto& tuple = pickle[pickle.root()];
    CHECK(tuple.kind == Kind::Tuple && tuple.items.size() == 14);
    const auto at = [&](size_t i) { return pickle[tuple.items[i]]; };
    CHECK(at(0).number == 7 && at(1).number == 65535 && at(2).number == -2 && at(3).number == -1 && at(4).number == 0);
    CHECK(at(5).kind == Kind::Bytes && at(5).text == "0123456789");
    CHECK(at(6).kind == Kind::Float && at(6).real() == 1.5);
    CHECK(at(7).kind == Kind::Bool && at(7).number == 1 && at(8).kind == Kind::None);
    CHECK(at(9).kind == Kind::Text && at(9).text == "hi" && at(10).kind == Kind::Bytes && at(10).text == "by");
    CHECK(at(11).kind == Kind::List && pickle[at(11).items[0]].number == 1);
    CHECK(at(12).kind == Kind::Dict && pickle[at(12).items[0]].text == "k" && pickle[at(12).items[1]].number == 2);
    CHECK(at(13).kind == Kind::Set && pickle[at(13).items[0]].number == 3);
}

TEST("pickle: what calls for code stays a description") {
    const Pickle pickle = read(program("cos\nsystem\nU\x08touch /x\x85R"));
    const auto& call = pickle[pickle.root()];
    CHECK(call.kind == Kind::Call && pickle[call.callable].kind == Kind::Global);
    CHECK(pickle[call.callable].text == "os" && pickle[call.callable].name == "system");
    CHECK(pickle[pickle[call.arguments].items[0]].text == "touch /x");
    for (const char* hostile : {"c__builtin__\neval\nU\x01"
                                "1\x85R",
                                "U\x02os\x94U\x06system\x93)R", "cx\ny\n)\x81}b", "cx\ny\n)}\x92",
                                "cx\ny\n)R(K\x01K\x02u", "c\n\n)R", "K\x01K\x02R"}) {
        const Pickle description = read(program(hostile));
        CHECK(description[description.root()].kind == Kind::Call, hostile);
    }
}

TEST("pickle: instructions that checkpoints do not need") {
    for (const char* other : {"I1\n", "L1L\n", "F1\n", "S'a'\n", "Va\n", "p0\n", "g0\n", "Pid\n", "(icl\nas\n", "(l",
                              "(d", "(o", "\x82\x01", "\x97", "\x98", "\xff", "?"}) {
        refused(program(std::string("N") + other), "UNSUPPORTED_TYPE");
    }
    refused("\x80\x01.", "UNSUPPORTED_TYPE");
    refused("\x80\x06N.", "UNSUPPORTED_TYPE");
    refused("N.");
}

TEST("pickle: a program cut off anywhere is refused") {
    PickleWriter writer;
    write_tensor(writer, {{2, 3}, {3, 1}});
    const std::string whole = writer.end();
    for (size_t length = 0; length < whole.size(); ++length) refused(whole.substr(0, length));
    CHECK(read(whole + "more").size() == whole.size());
}

TEST("pickle: stacks that run empty, marks that are not there") {
    for (const char* bad : {"",       "0",    "1",    "a",  "N(a", "s",    "NN",    "(",     "(N",     "t",      "u",
                            "e",      "R",    "NR",   "b",  "Q",   "2",    "q\x01", "\x85",  "N\x86",  "(N\x86", "\x93",
                            "NN\x93", "\x81", "\x94", "Na", "NNa", "}(Nu", "}(Ne",  "](NNu", "](N\x90"}) {
        refused(program(bad));
    }
}

TEST("pickle: a memo that is absurd") {
    refused(program("Nr\xff\xff\xff\xff"));
    refused(program("Nr" + raw(uint32_t{100000})));
    refused(program("Nj" + raw(uint32_t{0})));
    refused(program("Nh\x05"));
    refused(program("Nq\x02h\x01"));
    CHECK(read(program("Nq\x02h\x02\x86")).size() > 0);
}

TEST("pickle: containers that contain themselves") {
    const Pickle pickle =
        read(program("]q\x01h\x01"
                     "a"));
    CHECK(pickle[pickle.root()].items == std::vector<Pickle::Ref>{pickle.root()});
    read(program("}q\x01h\x01h\x01s"));
    read(program("}q\x01U\x01kh\x01s"));
}

TEST("pickle: a hundred thousand containers within each other") {
    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += "]";
    for (int i = 0; i < 99999; ++i) deep += "a";
    CHECK(read(program(deep)).values() == 100001);
    std::string tuples = "N";
    for (int i = 0; i < 100000; ++i) tuples += "\x85";
    CHECK(read(program(tuples)).values() == 100002);
}

TEST("pickle: lengths and numbers of values that a file cannot have") {
    refused(program("X" + raw(uint32_t{0xfffffff0}) + "abc"));
    refused(program("\x8d" + raw(UINT64_MAX) + "abc"));
    refused(program("\x8e" + raw(uint64_t{1} << 40) + "abc"));
    refused(program("\x96" + raw(uint64_t{1} << 62) + "abc"));
    refused(program("\x8b" + raw(uint32_t{0x80000000}) + "abc"));
    refused(program("\x95" + std::string(3, 'x')));
    CHECK(contains(refused(program(std::string(size_t{3} << 20, 'N'))), "values"));
    CHECK(contains(refused(program(std::string(size_t{65} << 20, '('))), "cut off"));
}

TEST("pickle: keys that collide cost no more than others") {
    std::string many = "}(";
    for (uint32_t i = 0; i < 200000; ++i) many += "M" + raw(static_cast<uint16_t>(0)) + "N";
    CHECK(read(program(many + "u")).values() == 400002);
}
