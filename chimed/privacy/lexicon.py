"""What a Chinese personal name is made of: surnames, characters of given names, and the dictionary that says what is a word.

The dictionary is jieba's word list with frequencies (MIT), read from its file: no segmenter is started and no cache written.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

from chimed.errors import ChimedError

COMPOUND = frozenset("欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 长孙 宇文 司徒 夏侯 端木".split())
SURNAMES = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范"
    "方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙段雷钱汤尹黎武乔贺赖龚文庞樊兰殷施陶洪翟颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂焦"
    "柳邢路岳齐梅莫庄辛管祝左涂谷祁舒耿牟卜詹苗凌费纪靳盛童欧甄项曲游阳裴席卫屈鲍覃霍翁隋植甘景薄司柏宁柯阮桂闵柴车冉房辜吉饶刁瞿"
    "戚丘米池滕晋苑邬臧畅宫苟褚廉简娄盖符奚木穆党燕郎邸冀谈姬屠郜晏栾郁商蒙喻揭窦迟宇敖糜鄢冷卓花仇艾蓝巩稽井练仲乐虞卞封竺冼原官"
    "衣楚佟栗匡宗巫鞠僧桑荆谌银扬沙伏岑习胥蔺付闫肖代丛寇尚厉邝佘仝晁荀麦"
)
# Surnames that before a title are mostly function words or prefixes: only an explicit cue (姓名：) makes names of them.
UNLIKELY = frozenset("向和由从经及应全当有时家能查来位成都明关保计解单台强常易华安万古包边连")
# Surnames that are next to never another word: these may stand alone before a title inside a sentence.
CLEAR = frozenset(
    "王李刘陈杨赵吴徐孙胡朱郭罗梁宋郑韩唐冯董萧曹袁邓傅沈彭吕苏卢蒋蔡贾丁魏薛叶阎潘杜戴夏钟汪姜范姚谭廖邹陆郝崔邱秦顾侯邵孟尹黎贺"
    "赖龚庞樊殷陶洪翟颜倪俞葛韦聂焦柳邢岳詹凌靳甄裴覃霍翁隋柯阮闵辜瞿戚滕邬臧褚娄奚穆郜晏栾窦鄢卞佟谌胥蔺肖闫邝佘寇仝晁荀"
)
# Never a lone surname before a title: 祝医生… is a wish, 原主任 a former one.
NEVER_ALONE = frozenset("祝原官项段党练商僧银衣车房植简盖花木乐路单代尚厉丛麦")
# Verbs of a greeting: before a title they make a name only with a given name that is no word (祝健康医生).
WISHES = frozenset("祝谢贺")
REFUSED = frozenset(
    "血压糖脂热烧疸障癜斑疹科内外儿妇骨眼耳鼻喉口腔皮肤泌尿肿瘤心胸肾肝肺胃肠脑神经的了是在有无及或和与者于为不个名位些医生护患病痛症炎"
    "癌药您床"
)
GIVEN = (
    frozenset(
        "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红文建国志海燕晓小春梅雪琴云莲珍荣爱莉萍玲芬琳凤洁颖倩婷雯萱涵怡欣悦佳嘉琪瑶"
        "瑞雨思梦诗语彤宁晨阳浩宇轩博睿泽俊豪鹏飞龙斌彬波辉峰锋健康亮永清江长庆松柏林森梓子一诺可依依诗恩然辰熙皓宏鸿弘毅凯旋翔航远达"
        "振兴富贵福禄寿德仁义礼智信忠孝廉诚善良贤才学礼东南西北中正立新民生金银铜铁柱栓根树木土水火山石川河湖洲岩岚岭成功胜利援朝跃进卫红"
        "培育培源光明耀辉煌灿星月亮晶莹玥瑾瑜璇琦珊珂珠玛蓉菊芝芸芹苗茜茹莎莹菲薇蕾蓓馨香秋冬夏春淑慧惠贤娥娇媛婉婧妍妮姗姝嫣婕娣娅柔"
        "美巧灵素贞真善卉丹彩虹霖露霜冰雁鹤鸣凌云骏驰骁腾昊昕昌旭昱晟晖景智曼朋望权来权栋桐桦楠榕槐樱欢歌民江汉沛沁沐泉洁济浦润涓淼清渊渝"
        "源溪滢潇澄澜炎炜炳烁烨焕然熠爽玮珏琛琨瑛璐甜田男畅祥祺禹秉程稳竹筠简纯绍维绮绵羽翠翰耘聪胜舒舟航艺芊若苑茂荔莫葆蒙蓝蔚薛虎行西观言誉"
        "诚诗谦豫贝赫跃路轶迪逸道邦郁钊钧钰铁铭锐锦镇长闻阔陶雄雅雷霆青靖韬韵顺颂颜风飒骥高魁鹰麒麟黎齐先进步宝宪家守安定宗守寒尚展岳崇川"
        "巍州希常帆干平年广庭廷延开异弛彦彬彭征律心志忆念怀恒恬恺情惟意慈慕懿成戈承抒拓拯捷掌放政敬文斯方施日旦旺昂时易映昭显晋普景暄曙书朗本"
        "朴李杏松枫柳树栩格梁棠森楚殿毓比水永汝沙沈治法泓泰洛津洪浚浪海涌涛淇淳深添渠温港湘游源滔滨漫潮凡团伍传伦佐佑佩侠信修倚倬健傲儒元兆先全"
        "公其典冠军冲决凝凡凯利刚初别力加务劭励劲勋勤包北千升半卓卫厚友双发叔取口古可史叶司合同名向君启吉吟含听启和品哲唯喜嗣四因园固圣坚坤坦垒"
        "基堂士壮复多天太夫奇奋奕好如妙始威姣娴婵婷嫦字存季孟学宁宇守官定实宣宪宫容宾寅富察寒寓对少尔尧尚尤就居山岩峥峻嵘嵩工巧左巨己帅师常干年"
        "仪任仲伊伯侃修俐俪伶佟保丙丛业东丝丞严中丰临为久义之乐乔乙九习书争事二于云互五井亚亦京亭仁今介从仕代令以仪"
    )
    - REFUSED
)
# Further characters that speak of illness where a name would stand in the head of a case history (患者石淋，男).
ILLNESS = frozenset(
    "淋带核胎便汗咳喘痰呕吐泻痢疮痈胀积囊肌节脉晕眠厌食肢腹腰颈腿脚足指趾头面颌牙舌咽胆脾肠阴疽癣瘊痣痔疝瘘结梗栓塞衰竭"
)
PLAIN_WORD, COMMON_WORD = 30, 200


@lru_cache(maxsize=1)
def words() -> dict[str, int]:
    """Dictionary words of two to four characters with their frequency, from 30 on, without personal names.

    The tag nr alone does not make a name (谢谢, 顾客 and 许可 carry it): it counts for long words and plain surnames.
    """
    spec = importlib.util.find_spec("jieba")
    if spec is None or spec.origin is None:
        raise ChimedError("privacy: the package jieba is missing; its dictionary is the name guard. pip install jieba")
    found: dict[str, int] = {}
    with open(Path(spec.origin).parent / "dict.txt", encoding="utf-8") as f:
        for line in f:
            word, frequency, tag = line.rstrip("\n").split(" ")
            name = tag.startswith("nr") and (len(word) > 2 or word[0] in CLEAR)
            if 2 <= len(word) <= 4 and len(frequency) > 1 and int(frequency) >= PLAIN_WORD and not name:
                found[word] = int(frequency)
    return found


def is_word(candidate: str, frequency: int = PLAIN_WORD) -> bool:
    """Whether the dictionary has a candidate at least that often."""
    return words().get(candidate, 0) >= frequency
