"""What authorities have given out, and what manuals use as examples."""

from agent.privacy.redaction.words import words_of

TLDS = words_of("""
com org net edu gov mil int info biz name pro dev app xyz online site tech store email cloud
academy school university blog page live life world systems works
ac ad ae af ag ai al am ao ar at au az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc
cd cf cg ch ci cl cm cn co cr cu cv cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fm fo fr ga
gb gd ge gf gg gh gi gl gm gn gp gr gt gu gy hk hn hr ht hu id ie il im in io iq ir is it je jm jo
jp ke kg kh ki km kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mk ml mm mn mo mq mr
mt mu mv mw mx my mz na nc ne nf ng ni nl no np nu nz om pa pe pf pg ph pk pl pm pr ps pt pw py qa
re ro rs ru rw sa sc sd se sg sh si sk sl sm sn so sr st sv sy sz td tf tg th tj tk tl tm tn to tr
tt tv tw tz ua ug uk us uy uz va vc ve vn vu ws ye yt za zm zw
""")
"""Top-level domains that people have addresses in."""

IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
    }.items()
    for country in countries.split()
}
"""Characters of an account number by country."""

TEST_CARDS = words_of("""
4111111111111111 4242424242424242 4012888888881881 5555555555554444 5105105105105100
378282246310005 371449635398431 6011111111111117 6011000990139424 30569309025904 38520000023237
3530111333300000 3566002020360505 4539319503436467 4000056655665556
""")
TEST_IBANS = words_of("""
GB82WEST12345698765432 DE89370400440532013000 FR1420041010050500013M02606 NL91ABNA0417164300
GB29NWBK60161331926819 BE68539007547034
""")
TEST_SSNS = words_of("078051120 219099999 123456789 987654321 111223333")
PUBLIC_SERVERS = words_of("8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 9.9.9.9")
